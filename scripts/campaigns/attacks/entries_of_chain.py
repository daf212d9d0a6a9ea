"""Attacks on the order of entries: dropped, swapped, doubled, trimmed, moved from elsewhere, forged."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from protocol.chain import Entry
from scripts.campaigns.attacks.attack import Attack, Registry, Where
from scripts.campaigns.attacks.evidence import THIEF, Written, archive, without_receipts, write
from tests.protocol.attackers import forged_run
from tests.protocol.shifts import entry_key, records, spliced

KINDS: Final = Registry()

OUT_OF_PLACE: Final = ("entry-out-of-sequence",)


def at_every_entry(first: int = 0, last: int = 0) -> Iterator[tuple[Written, int]]:
    """Yield every entry of every chain, but for the ``first`` and ``last`` ones of each."""
    for written in archive().shifts:
        for sequence in range(first, len(written.shift.entries) - last):
            yield written, sequence


def with_entries(
    written: Written, entries: Sequence[Entry], done: str, expected: tuple[str, ...], *sequences: int
) -> Attack:
    """Return an attack that puts these entries into a shift's chain file; some of ``sequences`` must be named.

    At every other place the receipts are taken away as well: with them, the size of the chain alone would show it.
    """
    where = Where(sequences=sequences, file="chain") if sequences else None
    files: dict[str, bytes | None] = {"chain": records(entries)}
    if sequences and sequences[0] % 2:
        files |= without_receipts(written)
        done += ", without receipts"
    return Attack(done, written.with_files(files), written.evidence, expected, where)


@KINDS.kind("drop-entry", "an entry is taken out")
def _drop(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entries = spliced(written.shift.entries, at=at, insert=(), drop=1)
        is_last = at == len(entries)
        expected, named = (("chain-not-closed",), at - 1) if is_last else (OUT_OF_PLACE, at + 1)
        yield with_entries(written, entries, f"entry {at} is taken out", expected, named)


@KINDS.kind("drop-run", "several entries that follow each other are taken out")
def _drop_run(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(last=3):
        size = random.randint(2, len(written.shift.entries) - at - 1)
        entries = spliced(written.shift.entries, at=at, insert=(), drop=size)
        yield with_entries(written, entries, f"entries {at} to {at + size - 1} are taken out", OUT_OF_PLACE, at + size)


@KINDS.kind("drop-two", "two entries that do not follow each other are taken out")
def _drop_two(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(last=3):
        other = random.randint(at + 2, len(written.shift.entries) - 1)
        entries = [entry for entry in written.shift.entries if entry.head.sequence not in (at, other)]
        done = f"entries {at} and {other} are taken out"
        yield with_entries(written, entries, done, OUT_OF_PLACE, at + 1)


@KINDS.kind("swap-entries", "two entries change places: neighbours, and others that are drawn")
def _swap(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(last=1):
        for other in sorted({at + 1, random.randint(at + 1, len(written.shift.entries) - 1)}):
            entries = list(written.shift.entries)
            entries[at], entries[other] = entries[other], entries[at]
            done = f"entries {at} and {other} change places"
            yield with_entries(written, entries, done, OUT_OF_PLACE, at, at + 1, other, other + 1)


@KINDS.kind("repeat-entry", "an entry stands twice: at once, or once more at another place")
def _repeat(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        for place in sorted({at + 1, random.randint(at + 1, len(written.shift.entries))}):
            entries = spliced(written.shift.entries, at=place, insert=[written.shift.entries[at]])
            is_behind_end = place == len(written.shift.entries)
            expected = ("entry-after-end",) if is_behind_end else OUT_OF_PLACE
            yield with_entries(written, entries, f"entry {at} stands again before entry {place}", expected, at)


@KINDS.kind("move-entry", "an entry is taken out and put in elsewhere")
def _move(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entries = list(written.shift.entries)
        entry = entries.pop(at)
        place = random.choice([other for other in range(len(entries) + 1) if abs(other - at) > 1])
        entries.insert(place, entry)
        expected = (*OUT_OF_PLACE, "entry-after-end")
        yield with_entries(written, entries, f"entry {at} stands before entry {place}", expected)


@KINDS.kind("reverse-run", "a run of entries stands in reverse")
def _reverse(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(last=2):
        size = random.randint(2, len(written.shift.entries) - at)
        entries = list(written.shift.entries)
        entries[at : at + size] = reversed(entries[at : at + size])
        yield with_entries(written, entries, f"entries {at} to {at + size - 1} stand in reverse", OUT_OF_PLACE)


@KINDS.kind("trim-start", "a chain begins later than it did")
def _trim_start(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        yield with_entries(written, written.shift.entries[at:], f"entries before {at} are cut off", OUT_OF_PLACE, at)


@KINDS.kind("trim-end", "a chain ends earlier than it did, and no receipt is there", is_whole=True)
def _trim_end(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        evidence = written.with_files(without_receipts(written) | {"chain": records(written.shift.entries[:at])})
        where = Where(sequences=(at - 1,), file="chain")
        done = f"entries from {at} on are cut off, and the receipts are taken away"
        yield Attack(done, evidence, written.evidence, ("chain-not-closed",), where)


@KINDS.kind("trim-end-anchored", "a chain ends earlier than the receipts of central say")
def _trim_anchored(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        entries = written.shift.entries[:at]
        yield with_entries(written, entries, f"entries from {at} on are cut off", ("receipt-contradicts",))


@KINDS.kind("forge-entry", "an entry signed with the attacker's own key is put in, or put in another's place")
def _forge(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        is_behind_end = written.shift.entries[at - 1].head.next_key is None
        expected = ("kind-out-of-place",) if is_behind_end else ("entry-signature-invalid",)
        for drop in (0, 1):
            run = forged_run(written.shift, at, random.randint(1, 3))
            entries = spliced(written.shift.entries, at=at, insert=run, drop=drop)
            done = f"{len(run)} forged entries from {at} on are put in, {drop} taken out"
            yield with_entries(written, entries, done, expected, at)


@KINDS.kind("forge-behind-hole", "an entry is taken out, and forged ones stand behind the hole, where no key is known")
def _forge_behind_hole(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=2):
        run = forged_run(written.shift, at, 2)
        entries = spliced(written.shift.entries, at=at - 1, insert=run, drop=2)
        yield with_entries(
            written,
            entries,
            f"entry {at - 1} is taken out, {at} and on are forged",
            (*OUT_OF_PLACE, "entry-not-linked"),
            at,
        )


@KINDS.kind("stolen-key-backwards", "a stolen entry key signs an entry before the one that it is for")
def _stolen_backwards(random: Random, count: int) -> Iterator[Attack]:
    for written, stolen in at_every_entry(first=1, last=1):
        key = written.shift.keys[stolen]
        if key is None:
            continue
        for at in sorted({1, stolen, random.randint(1, stolen)}):
            if written.shift.entries[at - 1].head.next_key is None:
                continue
            forged = written.shift.forged(at, key=key, next_key=entry_key("thief's next"))
            entries = spliced(written.shift.entries, at=at, insert=[forged], drop=1)
            done = f"entry {at} is signed with the key that entry {stolen} names"
            yield with_entries(written, entries, done, ("entry-signature-invalid",), at)


@KINDS.kind(
    "used-key-again",
    "a key that was not wiped signs a second entry in its place, which is put in or replaces the first",
)
def _used_again(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1, last=1):
        key = written.shift.keys[at - 1]
        if key is None:
            continue
        forged = written.shift.forged(at, key=key, next_key=entry_key("thief's next"))
        # In the first one's place it is what the next entry ought to name and does not; in front of it, the same.
        for drop in (0, 1):
            entries = spliced(written.shift.entries, at=at, insert=[forged], drop=drop)
            done = f"a second entry {at} under the same key, {drop} taken out"
            expected = (*OUT_OF_PLACE, "entry-not-linked")
            yield with_entries(written, entries, done, expected, at, at + 1)


@KINDS.kind("entry-after-end", "entries follow the end of a shift")
def _after_end(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        shift, end = written.shift, len(written.shift.entries)
        forged = shift.forged(end, next_key=entry_key("thief's next"))
        for entry in (*shift.entries, forged):
            entries = (*shift.entries, entry)
            done = f"entry {entry.head.sequence} follows shift-closed"
            yield with_entries(written, entries, done, ("entry-after-end",), entry.head.sequence)


def _strangers(written: Written) -> Iterator[tuple[str, Written]]:
    """Yield shifts whose entries are put into this one: another shift's, another camera's, a thief's copy of this shift."""
    camera = written.shift.device
    yield "another shift", next(one for one in archive().shifts if one is not written and one.shift.device is camera)
    yield "another camera", next(one for one in archive().shifts if one.shift.device is not camera)


@KINDS.kind("splice-entry", "an entry of another shift or of another camera is put in, or replaces one")
def _splice(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        for whose, stranger in _strangers(written):
            entry = random.choice(stranger.shift.entries)
            for drop in (0, 1):
                entries = spliced(written.shift.entries, at=at, insert=[entry], drop=drop)
                done = f"entry {entry.head.sequence} of {whose} is put in at {at}, {drop} taken out"
                yield with_entries(written, entries, done, OUT_OF_PLACE, entry.head.sequence)


@KINDS.kind("splice-tail", "a chain goes on as another shift's, or another camera's, does")
def _splice_tail(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        for whose, stranger in _strangers(written):
            place = min(at, len(stranger.shift.entries) - 1)
            entries = (*written.shift.entries[:at], *stranger.shift.entries[place:])
            yield with_entries(written, entries, f"from entry {at} on the chain is {whose}'s", OUT_OF_PLACE)


@KINDS.kind("splice-recording", "the entries of a recording are exchanged for those of another one")
def _splice_recording(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        story = written.shift.story
        first = next((at for at, letter in enumerate(story) if letter in "[("), None)
        if first is None:
            continue
        for whose, stranger in _strangers(written):
            begin = next((at for at, letter in enumerate(stranger.shift.story) if letter in "[("), 0)
            stop = stranger.shift.story.find("]", begin) + 1
            foreign = stranger.shift.entries[begin:stop]
            entries = (*written.shift.entries[:first], *foreign, *written.shift.entries[first + len(foreign) :])
            done = f"the first recording's entries are those of {whose}"
            yield with_entries(written, entries, done, OUT_OF_PLACE)


@KINDS.kind("drop-recording", "a recording is taken out with its entries, media, key box and receipt")
def _drop_recording(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        story = written.shift.story
        opens = [at for at, letter in enumerate(story) if letter in "[("]
        for index, begin in enumerate(opens):
            stop = story.find("]", begin) + 1 or len(story) - 1
            prefix = written.shift.recording_ids[index].hex()
            gone: dict[str, bytes | None] = {name: None for name in written.folder if name.startswith(prefix)}
            entries = spliced(written.shift.entries, at=begin, insert=(), drop=stop - begin)
            evidence = written.with_files(gone | {f"{index:02d}.receipt": None, "chain": records(entries)})
            where = Where(sequences=(stop, len(story) - 1), file="chain")
            done = f"recording {index}, entries {begin} to {stop - 1}, is taken out"
            yield Attack(done, evidence, written.evidence, (*OUT_OF_PLACE, "recording-missing"), where)


@KINDS.kind("foreign-chain", "another camera's or another shift's chain stands in the folder")
def _foreign_chain(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for stranger in archive().shifts:
            if stranger is not written:
                is_same_camera = stranger.shift.device is written.shift.device
                expected = OUT_OF_PLACE if is_same_camera else ("camera-mismatch",)
                done = f"the chain of shift {stranger.name} stands in folder {written.name}"
                yield Attack(done, written.with_chain(stranger.shift.chain), written.evidence, expected)


@KINDS.kind("thief-writes-anew", "the whole shift is written anew with a device key that is not the camera's")
def _anew(random: Random, count: int) -> Iterator[Attack]:
    for number, written in enumerate(archive().shifts):
        forged = write(written.shift.story, f"thief/{number}", number=written.number, device=THIEF)
        evidence = {forged.name: forged.folder | {"enrolment": written.folder["enrolment"]}}
        done = f"shift {written.name} is written anew under the thief's own device key"
        yield Attack(done, evidence, written.evidence, ("camera-mismatch",), Where(sequences=(0,), file="chain"))
