"""The main job, end to end, on real programs: a real mosquitto, processes of their own, real files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.running import REPO, count_events, events_of, report_of, run_bench

FAULTS = ["central-stopped", "broker-acknowledges-only", "vault-wrong-key", "witness-stopped"]


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
        "--out", str(out), "--report", str(broken), *("--witnesses", "2") * (fault == "witness-stopped"),
    )  # fmt: skip
    told_first = (out / "timeline.html").read_text()
    second = run_bench("resume", str(out), "--report", str(healed))

    assert first.returncode == 1, first.stdout + first.stderr
    report = report_of(broken)
    assert not report["erased_after_receipt"]
    assert not any(row["is_erased"] for row in report["recordings"])
    assert not any("changed" in problem for problem in report["problems"])
    assert "says:" in report["problems"][0], report["problems"]
    # Without its witness a receipt is signed, and shown to nobody.
    steps_missing = 1 if fault == "witness-stopped" else 2
    assert told_first.count("Did not happen") >= 2 * steps_missing, "the page says what became of neither recording"
    assert second.returncode == 0, second.stdout + second.stderr
    after = report_of(healed)
    assert (after["verdict"], after["frames_missing"], after["erased_after_receipt"]) == ("authentic", 0, True)
    assert "Did not happen" not in (out / "timeline.html").read_text()


def test_a_camera_erases_behind_two_witnesses(tmp_path: Path) -> None:
    """All that a dock carries is proven to stand in a ledger that both have seen; their word is in the camera's next shift."""
    out, file = tmp_path / "o", tmp_path / "r.json"

    done = run_bench(
        "run", "--seconds", "2", "--pre-event-s", "1", "--size", "160x120", "--witnesses", "2",
        "--out", str(out), "--report", str(file),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    report, events = report_of(file), events_of(out)
    assert (report["witnesses"], report["ledger"], report["erased_after_receipt"]) == (2, "bench-city/sealcam", True)
    assert all(count_events(events, f"witness-{number}", "witness-cosigned") > 0 for number in (1, 2))
    proofs = sorted((out / report["sealed"]).rglob("*.tlog-proof"))
    receipts = sorted((out / report["sealed"]).rglob("*.receipt"))
    assert len(proofs) == len(receipts) == report["receipts"]
    assert all(proof.read_text().count("\n\u2014 witness-") == 2 for proof in proofs)
    kept = list((out / "card" / "ledger").iterdir())
    assert [name.suffix for name in kept] == [".checkpoint"]


def test_a_witness_that_is_stopped_must_be_there_first(tmp_path: Path) -> None:
    done = run_bench("run", "--fault", "witness-stopped", "--out", str(tmp_path / "o"))

    assert done.returncode == 2
    assert "add --witnesses 2" in done.stderr


def _verify(path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "protocol", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPO, check=False)
