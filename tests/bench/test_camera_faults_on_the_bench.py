"""Each fault of the camera as a day of its own, on real programs: it records on or again within 5 s, signs the gap, and nothing else fails.

The camera is picamera2 over the simulated libcamera, in a process that the bench starts again when it ends by itself.
"""

from pathlib import Path

import pytest

from hw_sim.bench.options import CAMERA_FAULT_NAMES
from tests.bench.running import count_events, events_of, report_of, run_bench

FRAMES_LOST = {"camera-late-buffer": 0, "camera-dropped-frames": 5, "camera-encoder-error": 2, "camera-never-closes": 0}
"""Within a recording; the others last as long as it takes."""
RECORDINGS = {"camera-never-closes": 3}
SILENCE_S_MAX = 30
"""5 s is what the bench asks for by default; no test is timed, and a machine that runs tests is busy."""


@pytest.mark.parametrize("fault", CAMERA_FAULT_NAMES)
def test_a_camera_that_fails_while_it_records_goes_on_and_signs_what_is_missing(fault: str, tmp_path: Path) -> None:
    out, file = tmp_path / "o", tmp_path / "r.json"
    done = run_bench(
        "run", "--seconds", "2", "--pre-event-s", "1", "--size", "320x240", "--camera", "picamera2", "--fault", fault,
        "--out", str(out), "--report", str(file), "--silence-s-max", str(SILENCE_S_MAX),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    report, events = report_of(file), events_of(out)
    kinds = {finding.split(":")[0] for finding in report["findings"]}
    rows = report["recordings"]
    assert report["fault"] == fault
    assert report["frames_missing"] == 0
    assert report["frames_declared_missing"] == rows[0]["frames_declared_missing"]
    assert report["erased_after_receipt"]
    assert len(rows) == RECORDINGS.get(fault, 2)
    assert count_events(events, "camera", "camera-broken") > 0
    if fault == "camera-late-buffer":
        assert (report["verdict"], report["camera_silence_s"], kinds) == ("authentic", None, set())
    else:
        assert report["verdict"] == "authentic with signed gaps"
        assert 0 < report["camera_silence_s"] <= SILENCE_S_MAX
    if fault == "camera-never-closes":
        assert rows[1]["continues"] == rows[0]["recording_id"]
        assert kinds == {"resumed-unclean", "recording-interrupted"}
        assert "with exit code 1: it is started again" in done.stdout
    elif fault != "camera-late-buffer":
        assert kinds == {"frames-dropped"}
        assert rows[0]["frames_declared_missing"] == FRAMES_LOST.get(fault, rows[0]["frames_declared_missing"]) > 0
    page = (out / report["timeline"]).read_text()
    assert ("No picture" in page) == ("frames-dropped" in kinds)
    assert ("goes on from recording" in page) == (fault == "camera-never-closes")


def test_a_fault_that_the_chosen_camera_does_not_have_is_refused(tmp_path: Path) -> None:
    done = run_bench("run", "--fault", "camera-gone", "--out", str(tmp_path / "o"))

    assert done.returncode == 2
    assert "--fault camera-gone with --camera simulated" in done.stderr
    assert "add --camera picamera2" in done.stderr
    assert not (tmp_path / "o").exists()
