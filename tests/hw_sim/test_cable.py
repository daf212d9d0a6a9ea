"""The cable over real pseudo-terminals, opened by both programs' own serial adapters."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from dockd.station.adapters.serial_line import SerialLine as DockLine
from dockd.station.errors import LineAbsent
from dockd.station.errors import LineLost as DockLineLost
from firmware.adapters.serial_line import PortUnusable
from firmware.adapters.serial_line import SerialLine as CameraLine
from firmware.errors import LineLost as CameraLineLost
from hw_sim.cable import TO_CAMERA, TO_DOCK, Noise, SerialCable

WAIT_MS = 2000
PAYLOAD = Random(1).randbytes(200_000)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[SerialCable]:
    cable = SerialCable(tmp_path / "ports", seed=7)
    cable.plug()
    yield cable
    cable.close()


def camera_end(cable: SerialCable) -> CameraLine:
    return CameraLine(cable.camera_port, baud_rate=115_200)


def dock_end(cable: SerialCable) -> DockLine:
    return DockLine(cable.dock_port, baud_rate=115_200)


def carry(source: CameraLine | DockLine, sink: CameraLine | DockLine, data: bytes, *, quiet_ms: int = 200) -> bytes:
    """Send ``data`` and return what comes out, until all of it is sent and nothing more comes."""
    arrived, sent = bytearray(), 0
    while True:
        if sent < len(data):
            sent += source.write(data[sent : sent + 65_536], 5)
        piece = sink.read(0 if sent < len(data) else quiet_ms)
        arrived += piece
        if not piece and sent == len(data):
            return bytes(arrived)


def test_every_byte_value_passes_unchanged_in_both_directions(cable: SerialCable) -> None:
    camera, dock = camera_end(cable), dock_end(cable)

    assert carry(camera, dock, PAYLOAD) == PAYLOAD
    assert carry(dock, camera, bytes(range(256)) * 4) == bytes(range(256)) * 4
    assert cable.passed_bytes(TO_DOCK) == len(PAYLOAD)


def test_a_quiet_line_gives_nothing_and_waits_no_longer_than_asked(cable: SerialCable) -> None:
    assert camera_end(cable).read(10) == b""


def test_unplugging_is_the_end_of_the_line_for_both_sides(cable: SerialCable) -> None:
    camera, dock = camera_end(cable), dock_end(cable)
    cable.unplug()

    with pytest.raises(CameraLineLost, match="has ended"):
        camera.read(WAIT_MS)
    with pytest.raises(DockLineLost, match="has ended"):
        dock.read(WAIT_MS)
    with pytest.raises(DockLineLost):
        dock.write(b"x", WAIT_MS)


def test_an_unplugged_cable_has_no_ports_and_a_plugged_one_has_them_again(cable: SerialCable) -> None:
    cable.unplug()
    with pytest.raises(PortUnusable, match="is not there"):
        camera_end(cable)
    with pytest.raises(LineAbsent, match="is not there"):
        dock_end(cable)
    cable.plug()
    camera, dock = camera_end(cable), dock_end(cable)

    assert carry(camera, dock, b"again") == b"again"


def test_what_was_on_the_way_when_it_was_unplugged_does_not_arrive_later(cable: SerialCable) -> None:
    camera = camera_end(cable)
    cable.stick(is_stuck=True)
    camera.write(b"old", 50)
    cable.unplug()
    cable.stick(is_stuck=False)
    cable.plug()

    assert carry(camera_end(cable), dock_end(cable), b"new") == b"new"


@pytest.mark.parametrize("size", [1, 4096, 70_001])
def test_a_cut_comes_after_exactly_so_many_bytes(cable: SerialCable, size: int) -> None:
    camera, dock = camera_end(cable), dock_end(cable)
    cable.cut_after(TO_DOCK, size)
    arrived = bytearray()

    def carry_until_lost() -> None:
        sent = 0
        while True:
            if sent < len(PAYLOAD):
                sent += camera.write(PAYLOAD[sent : sent + 4096], 5)
            arrived.extend(dock.read(0 if sent < len(PAYLOAD) else 50))

    with pytest.raises((CameraLineLost, DockLineLost)):
        carry_until_lost()

    assert cable.passed_bytes(TO_DOCK) == size
    assert bytes(arrived) == PAYLOAD[: len(arrived)]
    assert len(arrived) <= size


def test_a_cable_that_cut_itself_can_be_plugged_in_at_once(cable: SerialCable) -> None:
    for _ in range(30):
        dock = dock_end(cable)
        cable.cut_after(TO_DOCK, 0)
        with pytest.raises(DockLineLost):
            dock.read(WAIT_MS)
        dock.close()
        cable.plug()
        assert cable.is_plugged
        assert cable.dock_port.exists()


def test_a_stuck_line_takes_a_bounded_amount_and_goes_on_when_it_is_free(cable: SerialCable) -> None:
    camera, dock = camera_end(cable), dock_end(cable)
    cable.stick(is_stuck=True)
    taken = camera.write(PAYLOAD, 100)
    assert taken < len(PAYLOAD)
    assert dock.read(50) == b""
    cable.stick(is_stuck=False)

    assert carry(camera, dock, PAYLOAD[taken:]) == PAYLOAD


def test_noise_hits_the_same_bytes_for_the_same_seed_however_the_line_cuts_them(tmp_path: Path) -> None:
    outcomes = []
    for number, piece in enumerate((100, 5000)):
        cable = SerialCable(tmp_path / str(number), seed=3)
        cable.plug()
        cable.set_noise(TO_DOCK, Noise(flips_per_million=200, drops_per_million=200, inserts_per_million=200))
        camera, dock = camera_end(cable), dock_end(cable)
        arrived = b""
        for at in range(0, 20_000, piece):
            arrived += carry(camera, dock, PAYLOAD[at : at + piece], quiet_ms=10)
        arrived += carry(camera, dock, b"", quiet_ms=100)
        outcomes.append(arrived)
        cable.close()

    assert outcomes[0] == outcomes[1]
    assert outcomes[0] != PAYLOAD[:20_000]


@pytest.mark.parametrize(
    ("noise", "change"),
    [(Noise(flips_per_million=500), 0), (Noise(drops_per_million=500), -1), (Noise(inserts_per_million=500), 1)],
)
def test_each_kind_of_noise_does_what_it_says(cable: SerialCable, noise: Noise, change: int) -> None:
    cable.set_noise(TO_CAMERA, noise)
    arrived = carry(dock_end(cable), camera_end(cable), PAYLOAD[:50_000])
    difference = len(arrived) - 50_000

    assert arrived != PAYLOAD[:50_000]
    assert (difference > 0) - (difference < 0) == change


def test_noise_in_one_direction_leaves_the_other_clean(cable: SerialCable) -> None:
    cable.set_noise(TO_CAMERA, Noise(flips_per_million=100_000))

    assert carry(camera_end(cable), dock_end(cable), PAYLOAD[:20_000]) == PAYLOAD[:20_000]


# The adapters, where no cable can show it.


def test_a_port_that_another_program_has_is_refused(cable: SerialCable) -> None:
    first = dock_end(cable)

    with pytest.raises(DockLineLost, match="in use by another program") as raised:
        dock_end(cable)
    assert "end the other program" in raised.value.diagnosis()
    first.close()
    dock_end(cable).close()


def test_what_is_no_serial_port_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(DockLineLost, match="cannot be used as a serial port") as raised:
        DockLine(tmp_path / "file", baud_rate=115_200)
    assert "correct the bay's port" in raised.value.diagnosis()
    with pytest.raises(PortUnusable, match="cannot be used as a serial port") as refused:
        CameraLine(tmp_path / "file", baud_rate=115_200)
    assert "correct the dock port" in refused.value.diagnosis()


def test_a_port_that_this_user_may_not_open_is_refused_with_what_to_do(
    cable: SerialCable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As root nothing is forbidden, so the system call is made to say what it says to others.
    def forbidden(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)

    with pytest.raises(DockLineLost, match="may not be opened by this user") as raised:
        dock_end(cable)
    assert "dialout" in raised.value.diagnosis()


def test_closing_twice_is_fine(cable: SerialCable) -> None:
    line = camera_end(cable)
    line.close()
    line.close()
    cable.close()
    cable.close()
