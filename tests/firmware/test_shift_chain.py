"""The writing end of a chain: links, one-time keys, and which signatures a kind carries (spec/02-chain.md, 2.2 and 2.3)."""

import gc
import weakref
from itertools import pairwise

import pytest

from firmware.core.shift_chain import ChainEnd, ShiftChain
from protocol.chain import Entry, device_purpose, entry_purpose, parse_entry
from protocol.cose import verify_detached
from protocol.entries import Body, Event, EventName, Heartbeat, Moment, Resumed, ShiftClosed, ShiftOpened
from protocol.verify.chain import verify_chain
from tests.builders import BOOT_ID, UNIX_MS, make_device, secret

DEVICE = make_device("chain")
SHIFT_ID = secret("shift", 16)
AT = Moment(mono_ns=1, boot_id=BOOT_ID, utc_ms=UNIX_MS, utc_source="none", utc_uncertainty_ms=None)
OPENED = ShiftOpened(
    at=AT,
    camera_key=DEVICE.public_key,
    shift_number=1,
    previous_shift=None,
    policy_version=1,
    policy_hash=bytes(32),
    checkpoint=None,
    firmware_version="0.1.0",
)
CLOSED = ShiftClosed(at=AT, reason="docked", recording_count=0)
RESUMED = Resumed(at=AT, is_clean=True, interrupted_recording_id=None, trimmed_chain_bytes=0, trimmed_media_bytes=0)


def event(name: EventName) -> Event:
    return Event(at=AT, name=name, recording_id=None, value=None)


class Writer:
    """A chain and the file that it is written to."""

    def __init__(self, end: ChainEnd | None = None) -> None:
        self.chain = ShiftChain(shift_id=SHIFT_ID, device=DEVICE, end=end)
        self.data = b""
        self.entries: list[Entry] = []

    def make(self, body: Body, draw: int | None = None) -> bytes:
        draw = len(self.entries) if draw is None else draw
        return self.chain.record_for(body, salt=secret(f"salt {draw}", 16), next_seed=secret(f"seed {draw}"))

    def write(self, *bodies: Body) -> "Writer":
        for body in bodies:
            record = self.make(body)
            self.chain.confirm_durable()
            self.data += record
            self.entries.append(parse_entry(record[4:]))
        return self

    def kinds_found(self) -> list[str]:
        report = verify_chain(self.data, camera_key=DEVICE.public_key)
        assert report is not None
        return [finding.kind for finding in report.findings]


def test_a_shift_from_opening_to_closing_verifies() -> None:
    writer = Writer().write(OPENED, event("power-on"), Heartbeat(at=AT, state="standby"), event("docked"), CLOSED)

    assert writer.kinds_found() == []
    assert [entry.head.sequence for entry in writer.entries] == [0, 1, 2, 3, 4]


def test_each_entry_names_the_one_before_and_the_key_of_the_one_after() -> None:
    entries = Writer().write(OPENED, event("power-on"), event("mark"), CLOSED).entries

    for before, after in pairwise(entries):
        assert after.head.previous == before.head_hash
        assert before.head.next_key is not None
        verify_detached(after.entry_signature, before.head.next_key, entry_purpose(after.head.kind), after.head_bytes)
    assert len({entry.head.next_key for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    ("bodies", "entry_signs", "device_signs", "names_next"),
    [
        ([OPENED], False, True, True),
        ([OPENED, event("mark")], True, False, True),
        ([OPENED, event("power-off")], True, False, False),
        ([OPENED, event("power-off"), RESUMED], False, True, True),
        ([OPENED, CLOSED], True, True, False),
    ],
    ids=["shift-opened", "event", "power-off", "resumed", "shift-closed"],
)
def test_the_last_kind_carries_the_signatures_of_the_table(
    bodies: list[Body], entry_signs: bool, device_signs: bool, names_next: bool
) -> None:
    entry = Writer().write(*bodies).entries[-1]

    assert (entry.entry_signature is not None) == entry_signs
    assert (entry.device_signature is not None) == device_signs
    assert (entry.head.next_key is not None) == names_next
    if device_signs:
        verify_detached(entry.device_signature, DEVICE.public_key, device_purpose(entry.head.kind), entry.head_bytes)


def test_a_retry_gives_the_same_bytes_whatever_is_drawn() -> None:
    """A one-time key signs once (spec/02-chain.md, 2.3)."""
    writer = Writer().write(OPENED)

    assert writer.make(event("mark"), draw=100) == writer.make(event("mark"), draw=200)


def test_no_other_entry_is_made_while_one_is_pending() -> None:
    writer = Writer().write(OPENED)
    writer.make(event("mark"))

    with pytest.raises(AssertionError, match="pending"):
        writer.make(event("docked"))


def test_nothing_is_confirmed_that_was_not_made() -> None:
    with pytest.raises(AssertionError, match="no entry is pending"):
        Writer().chain.confirm_durable()


def test_a_key_is_dropped_when_the_entry_that_it_signed_is_durable() -> None:
    """And with its object what it held: Python can do no more."""
    writer = Writer().write(OPENED)
    key = weakref.ref(writer.chain._key)
    assert key() is not None
    writer.write(event("mark"))
    gc.collect()

    assert key() is None


@pytest.mark.parametrize("last", [event("power-off"), CLOSED], ids=["power-off", "shift-closed"])
def test_after_an_entry_without_a_next_key_nothing_can_be_signed(last: Body) -> None:
    writer = Writer().write(OPENED, last)

    with pytest.raises(AssertionError, match="no key to sign it"):
        writer.make(event("mark"))


def test_a_process_that_takes_a_chain_up_must_say_so_first() -> None:
    end = Writer().write(OPENED, event("power-on")).chain.end

    with pytest.raises(AssertionError, match="resumed must come first"):
        Writer(end).make(event("mark"))


def test_a_chain_taken_up_goes_on_where_it_ended() -> None:
    first = Writer().write(OPENED, event("power-off"))
    second = Writer(first.chain.end)
    second.data = first.data
    second.write(RESUMED, event("power-on"), CLOSED)

    assert second.kinds_found() == []
    assert second.entries[0].head.sequence == 2
