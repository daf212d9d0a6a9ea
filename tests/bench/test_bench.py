"""The main job, end to end, on real programs: a real mosquitto, processes of their own, real files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.running import REPO, report_of, run_bench

FAULTS = ["central-stopped", "broker-acknowledges-only", "vault-wrong-key"]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Play one good day."""
    below = tmp_path_factory.mktemp("day")
    out, report = below / "o", below / "r.json"
    done = run_bench(
        "run", "--seconds", "3", "--size", "320x240", "--fps", "29.97", "--out", str(out), "--report", str(report)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out, report_of(report)


def test_every_captured_frame_is_in_the_decoded_videos(day: tuple[Path, dict[str, Any]]) -> None:
    _, report = day

    assert report["frames_missing"] == 0
    assert report["frames_decoded"] == report["frames_captured"] > 2 * 3 * 29


def test_sound_and_picture_are_in_step(day: tuple[Path, dict[str, Any]]) -> None:
    _, report = day

    assert 0 <= report["av_offset_ms_max"] <= 40


def test_the_day_is_authentic_receipted_and_erased_in_that_order(day: tuple[Path, dict[str, Any]]) -> None:
    _, report = day

    assert (report["verdict"], report["assurance"], report["erased_after_receipt"]) == ("authentic", 2, True)
    assert report["receipts"] >= 3
    assert report["broker_client_auth"] == "certificate"
    assert report["pre_event_s"] == 4.0


def test_the_report_names_files_that_are_there(day: tuple[Path, dict[str, Any]]) -> None:
    out, report = day

    assert (out / report["sealed"]).is_dir()
    assert len(report["mp4"]) == 2
    assert all((out / name).is_file() for name in report["mp4"])
    page = (out / report["timeline"]).read_text()
    assert all(row["recording_id"] in page for row in report["recordings"])
    assert "Did not happen" not in page


def test_the_sealed_folder_verifies_and_a_flipped_byte_is_named(
    day: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, report = day
    sealed = tmp_path / "sealed"
    shutil.copytree(out / report["sealed"], sealed)
    media = next(iter(sorted(sealed.rglob("*.media"))))
    data = bytearray(media.read_bytes())
    data[len(data) // 2] ^= 1

    good = _verify(sealed, "--root", report["root_fingerprint"], "--json")
    media.write_bytes(data)
    bad = _verify(sealed, "--root", report["root_fingerprint"], "--json")

    assert (good.returncode, json.loads(good.stdout)["verdict"]) == (0, "authentic")
    assert bad.returncode == 1
    finding = next(item for item in json.loads(bad.stdout)["findings"] if item["kind"] == "part-hash-mismatch")
    assert finding["place"]["file"].endswith(media.name)
    assert finding["place"]["chunk_index"] is not None


def test_a_folder_that_is_not_empty_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")

    done = run_bench("run", "--out", str(tmp_path))

    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_erases_nothing_and_heals_on_resume(fault: str, tmp_path: Path) -> None:
    out, broken, healed = tmp_path / "o", tmp_path / "broken.json", tmp_path / "healed.json"

    first = run_bench(
        "run", "--seconds", "2", "--pre-event-s", "1", "--size", "160x120", "--fault", fault, "--patience-s", "8",
        "--out", str(out), "--report", str(broken),
    )  # fmt: skip
    told_first = (out / "timeline.html").read_text()
    second = run_bench("resume", str(out), "--report", str(healed))

    assert first.returncode == 1, first.stdout + first.stderr
    report = report_of(broken)
    assert not report["erased_after_receipt"]
    assert not any(row["is_erased"] for row in report["recordings"])
    assert not any("changed" in problem for problem in report["problems"])
    assert "says:" in report["problems"][0], report["problems"]
    assert told_first.count("Did not happen") >= 4, "the page says that neither recording was receipted nor erased"
    assert second.returncode == 0, second.stdout + second.stderr
    after = report_of(healed)
    assert (after["verdict"], after["frames_missing"], after["erased_after_receipt"]) == ("authentic", 0, True)
    assert "Did not happen" not in (out / "timeline.html").read_text()


def _verify(path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "protocol", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPO, check=False)
