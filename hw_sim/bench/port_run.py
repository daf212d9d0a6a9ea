"""A run with a real camera on a real serial port: the bench is the dock, the broker and central; what was recorded is the camera's.

The bench cannot look at that camera's card or ask its sensor. What it knows are the chains that arrived, and what the dock heard.
"""

import json
import time
from pathlib import Path
from typing import Any, Final

from dockd.station.adapters.serial_line import SerialLine
from dockd.station.errors import LineLost
from hw_sim.bench.board import Board
from hw_sim.bench.children import ChildEvent
from hw_sim.bench.errors import BenchError
from hw_sim.bench.options import RunOptions
from hw_sim.bench.port_checks import examine_at_port
from hw_sim.bench.recorded import Recorded
from hw_sim.bench.report import Report
from hw_sim.bench.run import SETTLE_SECONDS, Docking, report_of, told_by_chain
from hw_sim.bench.world import World
from protocol.layout import CHAIN_NAME, parse_shift_folder
from protocol.verify.chain import verify_chain

EMPTY_WAIT_S: Final = 5.0
SAY_EVERY_S: Final = 15.0
"""How often the wait for a camera shows itself where the last line is not alive."""
_BAUD_OF_A_LOOK: Final = 115_200


def require_port(port: Path) -> None:
    """Refuse a port that the dock could not use, before anything is made.

    Raises:
        BenchError: it is not there, not ours to open, in use, or no serial port.
    """
    try:
        SerialLine(port, baud_rate=_BAUD_OF_A_LOOK).close()
    except LineLost as fault:
        raise BenchError(
            f"--camera-port: {str(fault).partition('; expected')[0]}",
            expected="the serial port at which the camera shows up, such as /dev/ttyACM0",
            next_step="connect the camera and switch it on, look for its port with: ls -l /dev/serial/by-id",
        ) from fault


def play_at_port(world: World, options: RunOptions, board: Board) -> Report:
    """Wait for the camera, take what it recorded, and judge that.

    Raises:
        BenchError: no camera docked in time.
    """
    assert options.camera_port is not None
    folder = world.agency.write_for_camera(world.out / "for-the-camera", pre_event_s=options.pre_event_s)
    board.step("starting the vault, central, the broker and the dock")
    world.start(options)
    board.step(f"the camera needs what is in {folder}; one that has it from an earlier run of this agency keeps it:")
    board.step(f"  copy it as root, the key is secret:   scp -p {folder}/* root@CAMERA:/etc/sealcam/")
    board.step(f"  root fingerprint, as the settings say it: {world.root_fingerprint.hex()}")
    docked = _wait_for_camera(world, options, board)
    docking = Docking(docked.heard_at_mono_ns)
    _wait_for_footage(world, options, docking, board)
    board.step("looks at what is there: verifying, decrypting, counting frames")
    recorded = _recorded(world)
    world.remember(recorded)
    camera = f"{docked.fields.get('camera')} at {options.camera_port}"
    outcome = examine_at_port(world, recorded=recorded, board=board)
    return report_of(world, options, docking, outcome).model_copy(update={"camera": camera})


def _wait_for_camera(world: World, options: RunOptions, board: Board) -> ChildEvent:
    began = said = time.monotonic()
    board.step(f"waits up to {options.wait_s:.0f} s for a camera to dock at {options.camera_port}")
    while (left_s := began + options.wait_s - time.monotonic()) > 0:
        board.live(f"waiting for a camera at {options.camera_port}, {left_s:.0f} s more")
        found = world.events.wait_for(
            lambda event: (event.child, event.name) == ("dock", "docked"),
            seconds=min(1.0, left_s),
            alive=world.children,
        )
        if found is not None:
            return found
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            board.step(f"still waits for a camera, {left_s:.0f} s more")
    trouble = world.trouble()
    raise BenchError(
        f"no camera docked at {options.camera_port} within {options.wait_s:.0f} s"
        + (f" ({trouble})" if trouble else ""),
        expected="one that this agency has enrolled",
        next_step=f"copy {world.out / 'for-the-camera'} to the camera, start its program, and run this again with "
        f"--agency {world.agency.folder}",
    )


def _wait_for_footage(world: World, options: RunOptions, docking: Docking, board: Board) -> None:
    """Wait until the camera has answered for each of its shifts that it is erased, or nothing has moved for ``patience_s``."""
    moved_at, before = time.monotonic(), None
    while time.monotonic() - moved_at < options.patience_s:
        world.require_alive()
        bay = _bay(world)
        now = (world.events.count, bay.get("bytes_held"))
        if now != before:
            moved_at, before = time.monotonic(), now
        if docking.ready_at_mono_ns is None:
            docking.ready_at_mono_ns = next((event.heard_at_mono_ns for event in _of_dock(world, "ready")), None)
        verified = {event.fields["folder"] for event in _of_dock(world, "shift-verified")}
        gone = {event.fields["folder"] for event in _of_dock(world, "erased") if event.fields["recording_id"] is None}
        # A camera that has just docked may still be closing its shift: one that has nothing is given a moment.
        is_quiet = bool(verified) or time.monotonic() - moved_at > EMPTY_WAIT_S
        if docking.ready_at_mono_ns is not None and verified <= gone and is_quiet:
            receipts = _of_dock(world, "receipted")
            docking.receipted_at_mono_ns = max((event.heard_at_mono_ns for event in receipts), default=None)
            return
        board.live(f"{bay.get('bytes_held', 0):,d} of {bay.get('bytes_listed', 0):,d} bytes verified and held here")
        time.sleep(SETTLE_SECONDS)


def _bay(world: World) -> dict[str, Any]:
    """Return what the dock shows of its bay; nothing before it has shown anything."""
    file = world.agency.dock_settings.parent / "status.json"
    bays: list[dict[str, Any]] = json.loads(file.read_text())["bays"] if file.exists() else []
    return bays[0] if bays else {}


def _of_dock(world: World, name: str) -> list[ChildEvent]:
    return [event for event in world.events.all() if (event.child, event.name) == ("dock", name)]


def _recorded(world: World) -> tuple[Recorded, ...]:
    """Return the recordings of every shift that arrived in this run, as their chains tell of them."""
    recorded: list[Recorded] = []
    for name in sorted({str(event.fields["folder"]) for event in _of_dock(world, "shift-verified")}):
        parsed = parse_shift_folder(name)
        chain = next((path for path in sorted(world.spool.rglob(CHAIN_NAME)) if path.parent.name == name), None)
        report = None if chain is None else verify_chain(chain.read_bytes())
        if parsed is not None and report is not None:
            recorded += [told_by_chain(name, parsed[0], view) for view in report.recordings]
    return tuple(recorded)
