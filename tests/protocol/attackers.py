"""What an attacker can make without any key of the camera."""

from protocol.chain import Entry
from protocol.entries import Event
from tests.protocol.shifts import Shift, compose, entry_key, moment, sign_entry


def forged_run(shift: Shift, first: int, count: int, before: Entry | None = None) -> list[Entry]:
    """Return entries that link to ``before`` and to each other, signed with the attacker's own keys throughout."""
    made: list[Entry] = []
    for sequence in range(first, first + count):
        body = Event(at=moment(sequence), name="wake", recording_id=None, value=sequence)
        previous = made[-1] if made else before or shift.entries[first - 1]
        named = compose(
            body, shift_id=shift.shift_id, sequence=sequence, before=previous, next_key=entry_key(f"mine {sequence}")
        )
        made.append(sign_entry(*named, entry_key(f"mine {sequence - 1}"), None))
    return made
