"""`sealcam-bench`: a simulated officer's day on real programs, from the lens to the verdict."""

import argparse
import io
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from dockd.shared.errors import OperatingError
from hw_sim.bench.agency import BenchAgency, require_adoptable
from hw_sim.bench.board import Board
from hw_sim.bench.brokers import find_broker
from hw_sim.bench.cameras import CAMERAS
from hw_sim.bench.errors import BenchError
from hw_sim.bench.options import (
    CAMERA_FAULT_NAMES,
    EMBEDDED,
    FAULTS,
    MOSQUITTO,
    PART_FAULTS,
    SILENCE_S_MAX,
    RunOptions,
    broker_choice,
    frame_rate_mhz,
    size_px,
)
from hw_sim.bench.port_run import play_at_port, require_port
from hw_sim.bench.run import play, resume
from hw_sim.bench.timeline.write import with_timeline
from hw_sim.bench.witnesses import WITNESSES_MAX, make_witnesses
from hw_sim.bench.world import World
from hw_sim.video_file import VIDEO_EXPECTED, VIDEO_NEXT_STEP, UnusableVideo, probe

TABLE_WIDTH: Final = 132
ROOM_BYTES: Final = 256 << 20
ROOM_BYTES_PER_S: Final = 8 << 20
_STATE_FILE: Final = "bench.json"
_EXAMPLES: Final = """examples:
  ./scripts/bench --seconds 20 --out o --report r.json
  ./scripts/bench --seconds 5 --fault central-stopped --out o ; ./scripts/bench resume o

exit code: 0 everything held; 1 something did not, and the last line says what; 2 it could not run"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another, and nothing fails
    # Where nobody sets a width, the table takes what it needs.
    console = Console() if sys.stdout.isatty() else Console(width=TABLE_WIDTH)
    try:
        return int(options.run(options, console))
    except (BenchError, OperatingError) as error:
        print(f"sealcam-bench: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"sealcam-bench: {error.filename or 'input'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "sealcam-bench: stopped; what is not receipted yet is on the card: resume goes on from there",
            file=sys.stderr,
        )
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealcam-bench",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="play a day and check everything",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(run=_run)
    run.add_argument(
        "--seconds", type=float, default=10.0, help="live time of each of the two recordings (2 to 3600, default 10)"
    )
    run.add_argument(
        "--pre-event-s", type=int, default=4, help="seconds kept from before a press (0 to 120, default 4)"
    )
    run.add_argument(
        "--out",
        type=Path,
        help="folder for everything; one that is not empty is refused (default: a new temporary one)",
    )
    run.add_argument(
        "--seed", type=int, default=None, help="decides what the simulated sensor draws (default: drawn, and reported)"
    )
    run.add_argument(
        "--size", type=size_px, default=(640, 480), metavar="WxH", help="picture size in pixels (default 640x480)"
    )
    run.add_argument(
        "--fps",
        type=frame_rate_mhz,
        default=30_000,
        metavar="F",
        help="frames per second, 29.97 for example (default 30)",
    )
    run.add_argument(
        "--camera",
        choices=CAMERAS,
        default=CAMERAS[0],
        help="simulated as a whole (default), or the real picamera2 over a simulated libcamera",
    )
    run.add_argument(
        "--camera-port",
        type=Path,
        metavar="DEV",
        help="no simulated camera: a real one docks at this serial port with what it has recorded",
    )
    run.add_argument(
        "--wait-s", type=float, default=600.0, help="how long to wait for a camera at --camera-port (default 600)"
    )
    run.add_argument(
        "--video", type=Path, metavar="FILE", help="the sensor looks at this video, in a loop, below its frame counter"
    )
    run.add_argument(
        "--broker",
        type=broker_choice,
        default=MOSQUITTO,
        metavar="NAME",
        help="mosquitto (default), embedded, or mqtts://HOST[:PORT] that runs already",
    )
    run.add_argument(
        "--agency",
        type=Path,
        metavar="DIR",
        help="use a copy of this agency, whose CA a running broker trusts; made by sealcam-central provision",
    )
    run.add_argument(
        "--broker-ca",
        type=Path,
        metavar="FILE",
        help="the CA of a running broker's own certificate, where that is not the agency's",
    )
    run.add_argument(
        "--witnesses",
        type=int,
        choices=range(WITNESSES_MAX + 1),
        default=0,
        metavar="N",
        help=f"so many witnesses cosign the ledger, and a camera erases only behind all of them (0 to {WITNESSES_MAX}, default 0)",
    )
    run.add_argument(
        "--fault",
        choices=FAULTS,
        metavar="NAME",
        help=f"break a part before the camera docks ({', '.join(PART_FAULTS)}; `resume` heals it), or the camera itself while "
        f"it records ({', '.join(CAMERA_FAULT_NAMES)}; with --camera picamera2)",
    )
    run.add_argument(
        "--card", type=Path, metavar="DIR", help="put the camera's card there: a mounted image, for example"
    )
    run.add_argument("--spool", type=Path, metavar="DIR", help="put the dock's disk there")
    run.add_argument(
        "--audit", action="store_true", help="keep stream and drawn secrets below DIR/audit, for scripts/search_card"
    )
    run.add_argument(
        "--silence-s-max",
        type=float,
        default=SILENCE_S_MAX,
        metavar="S",
        help="how long a fault of the camera may keep the picture away (5); more on a machine that does other work",
    )
    again = commands.add_parser(
        "resume", help="start an earlier run's programs again, and wait until everything has arrived"
    )
    again.set_defaults(run=_resume)
    again.add_argument("out", type=Path, metavar="DIR", help="the folder of the earlier run")
    for command in (run, again):
        command.add_argument("--report", type=Path, metavar="FILE.json", help="write the result as one JSON object")
        command.add_argument(
            "--patience-s",
            type=float,
            default=None,
            help="how long to wait for receipts after docking (default 30 to 120)",
        )
    return parser


def _run(options: argparse.Namespace, console: Console) -> int:
    if not 2 <= options.seconds <= 3600:
        raise BenchError(
            f"--seconds {options.seconds:g}", expected="2 to 3600", next_step="give the live time of each recording"
        )
    if not 0 <= options.pre_event_s <= 120:
        raise BenchError(f"--pre-event-s {options.pre_event_s}", expected="0 to 120", next_step="give whole seconds")
    _require_fitting(options)
    if options.camera_port is not None:
        _require_for_port(options)
    video_format = None if options.video is None else _video_format(options.video)
    _require_writable(options.report)
    out = _fresh_folder(options.out)
    _require_room(out, options.seconds)
    told = RunOptions(
        seconds=options.seconds,
        pre_event_s=options.pre_event_s,
        seed=random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed,
        width_px=options.size[0],
        height_px=options.size[1],
        frame_rate_mhz=options.fps,
        fault=options.fault,
        silence_s_max=options.silence_s_max,
        patience_s=options.patience_s or (20.0 if options.fault in PART_FAULTS else 60.0 + options.seconds),
        card_folder=None if options.card is None else options.card.resolve(),
        spool_folder=None if options.spool is None else options.spool.resolve(),
        has_audit=options.audit,
        broker=options.broker,
        broker_ca=None if options.broker_ca is None else options.broker_ca.resolve(),
        agency_folder=None if options.agency is None else options.agency.resolve(),
        video=None if options.video is None else options.video.resolve(),
        video_format=video_format,
        camera=options.camera,
        witness_count=options.witnesses,
        camera_port=options.camera_port,
        wait_s=options.wait_s,
    )
    (out / _STATE_FILE).write_text(told.model_dump_json(indent=2))
    return _go(out, told, options.report, console, is_resumed=False)


def _resume(options: argparse.Namespace, console: Console) -> int:
    _require_writable(options.report)
    state = options.out / _STATE_FILE
    if not state.exists():
        raise BenchError(
            f"{options.out} has no {_STATE_FILE}",
            expected="the --out folder of an earlier run",
            next_step="name that folder",
        )
    told = RunOptions.model_validate(json.loads(state.read_text()))
    if told.camera_port is not None:
        raise BenchError(
            f"{options.out} is of a camera at {told.camera_port}",
            expected="a run with a simulated camera",
            next_step=f"./scripts/bench --camera-port {told.camera_port} --agency {options.out / 'agency'}: the camera still "
            "holds what has no receipt",
        )
    # Nothing is recorded any more, so nobody needs the video, which may be gone, or picamera2.
    again = {
        "fault": None if told.fault in PART_FAULTS else told.fault,
        "video": None,
        "camera": CAMERAS[0],
        "patience_s": options.patience_s or 60.0 + told.seconds,
    }
    told = told.model_copy(update=again)
    return _go(options.out.resolve(), told, options.report, console, is_resumed=True)


def _go(out: Path, told: RunOptions, report_file: Path | None, console: Console, *, is_resumed: bool) -> int:
    with Board(console) as board:
        make_broker = find_broker(told.broker, board.step, ca_file=told.broker_ca)
        agency = _agency(out / "agency", told, board, is_resumed=is_resumed)
        broker = make_broker(out / "broker", agency)
        board.step(f"broker: {broker.title}")
        with World(out, agency, broker, options=told, on_event=board.event) as world:
            if told.camera_port is not None:
                report = play_at_port(world, told, board)
            else:
                report = resume(world, told, board) if is_resumed else play(world, told, board)
    report = with_timeline(world, report)
    report.save(report_file if report_file is not None else out / "report.json")
    report.show(console, out)
    if told.fault in PART_FAULTS:
        console.print(f"Heal it: ./scripts/bench resume {shlex.quote(str(out))}", highlight=False, soft_wrap=True)
    return 0 if report.is_good else 1


def _agency(folder: Path, told: RunOptions, board: Board, *, is_resumed: bool) -> BenchAgency:
    if is_resumed:
        return BenchAgency.load(folder)
    if told.agency_folder is not None:
        is_continued = told.camera_port is not None
        return BenchAgency.adopt(told.agency_folder, folder, board.step, may_hold_footage=is_continued)
    return BenchAgency.provision(folder, board.step, witnesses=make_witnesses(folder.parent, told.witness_count))


def _require_fitting(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if options.fault == "witness-stopped" and options.witnesses == 0:
        raise BenchError(
            "--fault witness-stopped without witnesses",
            expected="one that can be stopped",
            next_step="add --witnesses 2",
        )
    if options.agency is not None and options.witnesses:
        raise BenchError(
            f"--witnesses {options.witnesses} with --agency {options.agency}",
            expected="an agency that the bench makes: an old policy names no new witnesses",
            next_step="leave one of the two out",
        )
    is_running_already = options.broker not in (MOSQUITTO, EMBEDDED)
    if is_running_already and options.agency is None:
        raise BenchError(
            f"--broker {options.broker} without --agency",
            expected="an agency whose CA that broker trusts already",
            next_step="sealcam-central provision DIR, give the broker DIR/tls/ca.pem, and add --agency DIR",
        )
    if is_running_already and options.fault == "broker-acknowledges-only":
        raise BenchError(
            f"--fault broker-acknowledges-only with --broker {options.broker}",
            expected="a broker that the bench may replace",
            next_step="use --broker mosquitto, or another fault",
        )
    if options.fault in CAMERA_FAULT_NAMES and options.camera != "picamera2":
        raise BenchError(
            f"--fault {options.fault} with --camera {options.camera}",
            expected="a camera that breaks so",
            next_step="add --camera picamera2",
        )
    if options.agency is not None:
        require_adoptable(options.agency, may_hold_footage=options.camera_port is not None)
    if options.broker_ca is not None and not (is_running_already and options.broker_ca.is_file()):
        found = "is no file" if is_running_already else f"with --broker {options.broker}"
        raise BenchError(
            f"--broker-ca {options.broker_ca} {found}",
            expected="the CA certificate, in PEM, of a broker that runs already",
            next_step="name it, or leave the option out",
        )


def _require_for_port(options: argparse.Namespace) -> None:
    """Refuse a port that is none, and what makes no sense with a camera that the bench does not have."""
    chosen = {
        "--fault": options.fault,
        "--video": options.video,
        "--card": options.card,
        "--audit": options.audit,
        f"--camera {options.camera}": options.camera != CAMERAS[0],
    }
    wrong = next((name for name, value in chosen.items() if value), None)
    if wrong is not None:
        raise BenchError(
            f"{wrong} with --camera-port",
            expected="a camera outside of the bench",
            next_step="leave one of the two out",
        )
    if options.wait_s <= 0:
        raise BenchError(f"--wait-s {options.wait_s:g}", expected="more than 0", next_step="give seconds")
    require_port(options.camera_port)


def _video_format(path: Path) -> str:
    try:
        return probe(path)
    except UnusableVideo as error:
        raise BenchError(f"--video {error.found}", expected=VIDEO_EXPECTED, next_step=VIDEO_NEXT_STEP) from error


def _require_writable(report: Path | None) -> None:
    """Find out before the day, not after it, that the report cannot be written."""
    if report is not None and not (report.absolute().parent.is_dir() and os.access(report.absolute().parent, os.W_OK)):
        raise BenchError(
            f"--report {report}: its folder is not there, or not ours to write to",
            expected="a file in a folder that is there",
            next_step="name another",
        )


def _require_room(out: Path, seconds: float) -> None:
    """Refuse a disk on which card, spool, store and videos of the day have no room."""
    needed, free = ROOM_BYTES + int(seconds * ROOM_BYTES_PER_S), shutil.disk_usage(out).free
    if free < needed:
        raise BenchError(
            f"{out} has {free // 1_000_000} MB free",
            expected=f"{needed // 1_000_000} MB",
            next_step="name a folder on another disk",
        )


def _fresh_folder(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="sealcam-bench-"))
    if given.exists() and (not given.is_dir() or any(given.iterdir())):
        found = "is not empty" if given.is_dir() else "is a file"
        raise BenchError(f"{given} {found}", expected="a new folder or an empty one", next_step="name another folder")
    given.mkdir(parents=True, exist_ok=True)
    return given.resolve()


if __name__ == "__main__":
    sys.exit(main())
