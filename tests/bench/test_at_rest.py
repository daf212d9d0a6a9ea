"""I9: no disk ever holds footage or keys in the clear, searched in whole images, free space included."""

import subprocess
from pathlib import Path

import pytest

from hw_sim.at_rest import find_secrets, find_stream
from tests.bench.card_image import mounted_ext4
from tests.bench.running import REPO, bench_command, count_events, wait_for

SECRET_SIZE_BYTES = 32
CARD_MB = 128


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run one day with card and spool on real file systems; images of them at each stage, and what to search for."""
    below = tmp_path_factory.mktemp("at-rest")
    out = below / "o"
    found: dict[str, Path] = {}
    with mounted_ext4(below, "card", size_mb=CARD_MB) as card, mounted_ext4(below, "spool", size_mb=CARD_MB) as spool:
        command = bench_command(
            "run", "--seconds", "4", "--size", "320x240", "--out", str(out), "--audit",
            "--card", str(card.folder), "--spool", str(spool.folder),
        )  # fmt: skip
        process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(out, lambda events: count_events(events, "camera", "chunk") >= 6, process)
            found["card while recording"] = card.snapshot(below / "recording.img")
            wait_for(out, lambda events: count_events(events, "camera", "new-shift") >= 2, process)
            found["card docked"] = card.snapshot(below / "docked.img")
            wait_for(out, lambda events: count_events(events, "dock", "ready") >= 2, process)
            found["spool"] = spool.snapshot(below / "spool-held.img")
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        finally:
            process.kill()
        found["card erased"] = card.snapshot(below / "erased.img")
        found["spool at the end"] = spool.snapshot(below / "spool-end.img")
    found["stream"] = out / "audit" / "stream.bin"
    found["secrets"] = out / "audit" / "secrets.hex"
    return found


def _secrets(images: dict[str, Path]) -> list[bytes]:
    # What is shorter is an id or the salt of a body, which stand in the chain for everyone to read.
    drawn = [bytes.fromhex(line) for line in images["secrets"].read_text().split()]
    return [value for value in drawn if len(value) == SECRET_SIZE_BYTES]


STAGES = ["card while recording", "card docked", "card erased", "spool", "spool at the end"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_image_holds_a_window_of_the_encoded_stream(images: dict[str, Path], stage: str) -> None:
    assert find_stream(stage, images[stage].read_bytes(), images["stream"].read_bytes()) == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_image_holds_a_secret_drawn_by_the_camera(images: dict[str, Path], stage: str) -> None:
    secrets = _secrets(images)

    assert len(secrets) > 10
    assert find_secrets(stage, images[stage].read_bytes(), secrets) == []


def test_the_images_do_hold_the_sealed_footage(images: dict[str, Path]) -> None:
    """The search would find nothing on a disk that was never written."""
    sealed = images["card docked"].read_bytes()

    assert b"recording-opened" in sealed
    assert len(images["stream"].read_bytes()) > 100_000


@pytest.mark.parametrize("form", ["raw", "hex", "base64"])
def test_a_deliberately_leaked_key_is_found_by_the_same_search(images: dict[str, Path], form: str) -> None:
    import base64

    secret = _secrets(images)[3]
    leak = {"raw": secret, "hex": secret.hex().encode(), "base64": base64.b64encode(b"key:" + secret)}[form]
    image = bytearray(images["card erased"].read_bytes())
    image[77_777_777 : 77_777_777 + len(leak)] = leak

    assert len(find_secrets("leaked", bytes(image), _secrets(images))) >= 1


def test_a_deliberately_leaked_piece_of_the_stream_is_found_by_the_same_search(images: dict[str, Path]) -> None:
    stream = images["stream"].read_bytes()
    image = bytearray(images["card erased"].read_bytes())
    image[55_555_555 : 55_555_555 + 64] = stream[100_003 : 100_003 + 64]

    assert len(find_stream("leaked", bytes(image), stream)) == 1
