"""Finding mosquitto, or fetching it: with the real dpkg-deb, and an apt that has one package of ours in its folder."""

import os
import subprocess
from pathlib import Path

import pytest

from hw_sim.bench import mosquitto
from hw_sim.bench.errors import ToolMissing
from hw_sim.bench.mosquitto import locate

DPKG_DEB_FOLDERS = "/usr/bin:/bin"


def program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def package(folder: Path, *lines: str) -> Path:
    """Return a real Debian package with a mosquitto of ``lines`` in it."""
    program(folder / "tree/usr/sbin/mosquitto", *lines)
    (folder / "tree/usr/lib/some-arch").mkdir(parents=True)
    (folder / "tree/usr/lib/some-arch/libmosquitto.so.1").write_text("a library")
    (folder / "tree/DEBIAN").mkdir()
    (folder / "tree/DEBIAN/control").write_text(
        "Package: mosquitto\nVersion: 2.0.11\nArchitecture: all\nMaintainer: nobody <x@example.org>\nDescription: a test\n"
    )
    target = folder / "mosquitto_2.0.11_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", folder / "tree", target], check=True, capture_output=True
    )
    return target


def search_path(folder: Path, *apt_lines: str) -> str:
    program(folder / "bin/apt-get", *apt_lines)
    return f"{folder / 'bin'}:{DPKG_DEB_FOLDERS}"


def apt_that_has(deb: Path) -> tuple[str, ...]:
    # Its last arguments are the command and what it is for; it works in the folder for packages.
    return (
        'case "$*" in',
        "*simulate*) echo 'Inst mosquitto (2.0.11 a:b [all])'; echo 'Conf mosquitto (2.0.11)';;",
        f"*download*) cp '{deb}' . ;;",
        "esac",
    )


def test_an_installed_one_is_taken_and_nothing_is_fetched(tmp_path: Path) -> None:
    own = program(tmp_path / "bin/mosquitto", "echo 'mosquitto version 2.0.18'; exit 3")

    found = locate(tmp_path / "cache", pytest.fail, search_path=str(tmp_path / "bin"))

    assert (found.path, found.version, dict(found.env)) == (own, "2.0.18", {})
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("answer", ["echo 'mosquitto version 1.6.9'", "echo 'not a broker'", "exit 127"])
def test_an_installed_one_that_will_not_do_is_passed_over(tmp_path: Path, answer: str) -> None:
    said: list[str] = []
    deb = package(tmp_path / "package", "echo 'mosquitto version 2.0.11'")
    folders = search_path(tmp_path, *apt_that_has(deb))
    program(tmp_path / "bin/mosquitto", answer)

    found = locate(tmp_path / "cache", said.append, search_path=folders)

    assert found.path == tmp_path / "cache/unpacked/usr/sbin/mosquitto"
    assert "too old or does not run" in said[0]


def test_one_is_fetched_once_and_then_found_without_apt(tmp_path: Path) -> None:
    said: list[str] = []
    cache = tmp_path / "a cache"
    deb = package(tmp_path / "package", "echo mosquitto version 2.0.11")

    fetched = locate(cache, said.append, search_path=search_path(tmp_path, *apt_that_has(deb)))
    again = locate(cache, pytest.fail, search_path=str(tmp_path / "nothing here"))

    assert fetched == again
    assert again.env == {"LD_LIBRARY_PATH": str(cache / "unpacked/usr/lib/some-arch")}
    assert "downloading mosquitto" in said
    assert sorted(path.name for path in cache.iterdir()) == ["lock", "unpacked"]


def test_without_apt_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"no apt-get and no dpkg-deb.*expected.*Next: install it yourself"):
        locate(tmp_path / "cache", print, search_path=str(tmp_path))


def test_an_apt_that_fails_is_quoted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folders = search_path(tmp_path, "echo 'E: no route to the mirror'; exit 100")

    with pytest.raises(ToolMissing, match="E: no route to the mirror") as caught:
        locate(tmp_path / "cache", print, search_path=folders)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]
    assert "apt-get install mosquitto" in caught.value.diagnosis()


def test_a_source_out_of_reach_does_no_harm_while_another_has_it(tmp_path: Path) -> None:
    deb = package(tmp_path / "package", "echo mosquitto version 2.0.11")
    folders = search_path(tmp_path, 'case "$*" in *update) exit 100;; esac', *apt_that_has(deb))

    assert locate(tmp_path / "cache", print, search_path=folders).version == "2.0.11"


def test_a_broken_download_leaves_nothing_behind(tmp_path: Path) -> None:
    deb = package(tmp_path / "package", "echo mosquitto version 2.0.11")
    deb.write_bytes(deb.read_bytes()[:-100])

    with pytest.raises(ToolMissing, match="dpkg-deb failed"):
        locate(tmp_path / "cache", print, search_path=search_path(tmp_path, *apt_that_has(deb)))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_one_that_does_not_run_once_unpacked_is_named(tmp_path: Path) -> None:
    deb = package(tmp_path / "package", "exit 127")

    with pytest.raises(ToolMissing, match="does not run there"):
        locate(tmp_path / "cache", print, search_path=search_path(tmp_path, *apt_that_has(deb)))


def test_an_unpacked_one_that_no_longer_runs_is_fetched_anew(tmp_path: Path) -> None:
    deb = package(tmp_path / "package", "echo mosquitto version 2.0.11")
    folders = search_path(tmp_path, *apt_that_has(deb))
    program(tmp_path / "cache/unpacked/usr/sbin/mosquitto", "exit 127")
    (tmp_path / "cache/fetch-left-over").mkdir()

    assert locate(tmp_path / "cache", print, search_path=folders).version == "2.0.11"
    assert not (tmp_path / "cache/fetch-left-over").exists()


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ToolMissing, match="cannot be written"):
        locate(tmp_path / "file/cache", print, search_path=str(tmp_path))


def test_as_a_program_it_answers_with_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = os.environ["PATH"]
    program(tmp_path / "bin/mosquitto", "echo mosquitto version 2.0.18")
    os.environ["PATH"] = str(tmp_path / "bin")
    try:
        assert mosquitto.main([str(tmp_path / "cache")]) == 0
    finally:
        os.environ["PATH"] = real
    assert "mosquitto 2.0.18" in capsys.readouterr().out
    assert mosquitto.main([]) == 2
