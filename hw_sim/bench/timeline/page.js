"use strict";
for (const button of document.querySelectorAll("button.seek")) {
  const film = document.getElementById(button.dataset.film);
  button.addEventListener("click", () => {
    film.currentTime = Number(button.dataset.at);
    film.play().catch(() => {});
  });
}
for (const film of document.querySelectorAll("video.film")) {
  const head = document.getElementById(film.id.replace("film", "playhead"));
  const lead = Number(film.dataset.lead);
  let isWatched = false;
  const follow = () => {
    if (film.duration > 0) {
      head.hidden = false;
      head.style.left = lead + (100 - lead) * film.currentTime / film.duration + "%";
    }
    isWatched = !film.paused;
    if (isWatched) requestAnimationFrame(follow);
  };
  film.addEventListener("play", () => { if (!isWatched) follow(); });
  film.addEventListener("seeked", () => { if (!isWatched) follow(); });
  for (const other of document.querySelectorAll("video.film")) {
    if (other !== film) film.addEventListener("play", () => other.pause());
  }
}
document.documentElement.classList.add("js");
