"""Attacks on whole shifts and cards: left out, rolled back, cloned, forked, renamed, emptied; and what a camera contradicts itself in."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any, Final

from protocol.canonical import decode, encode
from protocol.entries import AudioSpan, EntryPlace, Part
from protocol.units import BODY_SALT_SIZE_BYTES, UINT_MAX
from scripts.campaigns.attacks.attack import Attack, Registry, Where
from scripts.campaigns.attacks.continued import rebuilt, resumed_and_closed, signed_again
from scripts.campaigns.attacks.evidence import CAMERA, THIEF, Written, archive, write
from tests.protocol.shifts import Change, changed, records, secret

KINDS: Final = Registry()

_NOT_LINKED: Final = ("entry-not-linked",)


@KINDS.kind("drop-shift", "a shift between others is left out as a whole, or several are")
def _drop_shift(random: Random, count: int) -> Iterator[Attack]:
    own = archive().own
    whole = archive().all_of(*own)
    for first in range(1, len(own) - 1):
        for last in range(first, len(own) - 1):
            left = archive().all_of(*own[:first], *own[last + 1 :])
            done = f"shifts {first + 1} to {last + 1} are left out"
            where = Where(file="chain")
            yield Attack(done, left, whole, ("shift-missing",), where)


@KINDS.kind("roll-back", "an older copy of the card stands beside what central has, or in its place")
def _roll_back(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for at in range(1, len(written.shift.entries)):
            old = written.with_files({"chain": records(written.shift.entries[:at])})[written.name]
            done = f"a copy of shift {written.number} from when it had {at} entries"
            both = {f"a/{written.name}": written.folder, f"b/{written.name}": old}
            yield Attack(f"{done}, beside it", both, written.evidence, _NOT_LINKED)
            yield Attack(f"{done}, in its place", {written.name: old}, written.evidence, ("receipt-contradicts",))


@KINDS.kind(
    "clone", "a card is copied and goes on in two cameras that hold the same key: one entry has two continuations"
)
def _clone(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for at in range(1, len(written.shift.entries)):
            other = rebuilt(written, resumed_and_closed(written, at, written.shift.device))
            both = {f"a/{written.name}": written.folder, f"b/{written.name}": other}
            yield Attack(f"two continuations of entry {at - 1}", both, written.evidence, _NOT_LINKED)


@KINDS.kind(
    "stolen-device-key-anchored",
    "a stolen device key writes what follows an entry anew, after central has anchored the true end",
)
def _stolen_anchored(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        receipts = {name: data for name, data in written.folder.items() if name.endswith(".receipt")}
        for at in range(1, len(written.shift.entries)):
            forged = rebuilt(written, resumed_and_closed(written, at, written.shift.device))
            bare = {name: data for name, data in forged.items() if not name.endswith(".receipt")}
            evidence = {written.name: bare | receipts}
            yield Attack(f"written anew from entry {at} on", evidence, written.evidence, ("receipt-contradicts",))


@KINDS.kind("rewrite-shift", "a stolen device key writes a whole shift anew, and the one after it is at hand")
def _rewrite_shift(random: Random, count: int) -> Iterator[Attack]:
    for group in (archive().own, archive().other):
        for before, written, after in zip((None, *group), group, group[1:], strict=False):
            previous = None if before is None else before.shift.last
            for story in ("OZ", "O[c]Z", written.shift.story):
                forged = write(
                    story,
                    f"rewritten/{written.name}",
                    number=written.number,
                    previous=previous,
                    device=written.shift.device,
                )
                evidence = archive().all_of(forged, after)
                yield Attack(
                    f"shift {written.number} is written anew as {story}",
                    evidence,
                    archive().all_of(written, after),
                    _NOT_LINKED,
                )


@KINDS.kind("fork-shift", "a stolen device key opens a second shift behind the same one")
def _fork_shift(random: Random, count: int) -> Iterator[Attack]:
    for group in (archive().own, archive().other):
        for before, written in pairwise(group):
            forged = write(
                "O[c]Z",
                f"fork/{written.name}",
                number=written.number,
                previous=before.shift.last,
                device=written.shift.device,
            )
            evidence = archive().all_of(before, written, forged)
            yield Attack(
                f"two shifts follow shift {before.number}", evidence, archive().all_of(before, written), _NOT_LINKED
            )


@KINDS.kind("false-succession", "a shift names another entry as the last of the shift before")
def _false_succession(random: Random, count: int) -> Iterator[Attack]:
    first, second = archive().own[:2]
    last = first.shift.last
    places: tuple[EntryPlace | None, ...] = (
        None,
        last.model_copy(update={"sequence": last.sequence - 1}),
        last.model_copy(update={"head_hash": secret("elsewhere")}),
    )
    for previous in places:
        other = write(second.shift.story, "tamper/2", number=2, previous=previous, device=CAMERA)
        done = f"shift 2 says that it follows {previous!r}"
        yield Attack(done, archive().all_of(first, other), archive().all_of(first, second), _NOT_LINKED)


@KINDS.kind("rename-folder", "a shift stands in a folder that is named for another shift, or for another number")
def _rename(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        names = {other.name for other in archive().shifts if other is not written}
        names |= {f"shift-{written.number:06d}-{secret('elsewhere', 16).hex()}"}
        names |= {f"shift-{number:06d}-{written.shift.shift_id.hex()}" for number in (written.number + 1, 0, 999_999)}
        for name in sorted(names):
            done = f"{written.name} is called {name}"
            yield Attack(
                done, {name: written.folder}, written.evidence, ("entry-out-of-sequence",), Where(file="chain")
            )


@KINDS.kind("no-chain", "the chain of a shift is taken away, and everything else is left")
def _no_chain(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        done, expected, where = f"{written.name} without chain", ("chain-missing",), Where(file="chain")
        gone = written.with_files({"chain": None})
        yield Attack(f"{done}, alone", gone, written.evidence, expected, where)
        everything = archive().all_of()
        yield Attack(f"{done}, among others", everything | gone, everything, expected, where)


@KINDS.kind("empty-chain", "the chain of a shift is empty, or rubbish")
def _empty_chain(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for junk in (b"", b"\x00", bytes(5000), random.randbytes(5000), b"\x00\x00\x01\x00" * 300):
            done, expected, where = (
                f"{written.name} with {len(junk)} bytes of rubbish",
                ("chain-empty",),
                Where(file="chain"),
            )
            gone = written.with_chain(junk)
            yield Attack(f"{done}, alone", gone, written.evidence, expected, where)
            everything = archive().all_of()
            yield Attack(f"{done}, among others", everything | gone, everything, expected, where)


STORY: Final = "Oe[ccc]e[cc]Z"
_SECOND_CHUNK: Final = 4


def _said(done: str, expected: str, at: int, *, story: str = STORY, **values: object) -> Attack:
    """Return a shift in which the camera signed one body that does not fit the rest."""
    change: dict[int, Change] = {at: changed(**values)}
    false, true = write(story, "said", change=change), _true(story)
    return Attack(done, false.evidence, true.evidence, (expected,))


def _true(story: str) -> Written:
    return write(story, "said")


def _span(start_us: int, end_us: int) -> tuple[AudioSpan, ...]:
    return (AudioSpan(start_us=start_us, end_us=end_us, state="present"),)


@KINDS.kind(
    "camera-contradicts-itself",
    "good signatures over what cannot be: chunks that overlap or lack, numbers that do not add up",
    is_whole=True,
)
def _contradicts(random: Random, count: int) -> Iterator[Attack]:
    second, end = _SECOND_CHUNK, len(STORY) - 1
    part = Part(kind="video", size_bytes=40, commitment=bytes(32), hash=bytes(32))
    opened_again = {"recording_id": secret("said/id/0", 16)}
    cases: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
        ("a chunk's number again", "chunk-out-of-sequence", second, {"index": 0, "parts": _parts("init")}),
        ("a chunk's number skipped", "chunk-missing", second, {"index": 2}),
        (
            "a chunk that begins too early",
            "chunk-out-of-sequence",
            second,
            {"start_us": 999_999, "audio": _span(999_999, 1_999_999)},
        ),
        (
            "a chunk that begins too late",
            "chunk-out-of-sequence",
            second,
            {"start_us": 1_000_001, "audio": _span(1_000_001, 2_000_001)},
        ),
        ("a chunk where another one stands", "chunk-out-of-sequence", second, {"offset_bytes": 0}),
        ("a chunk far behind the file's end", "chunk-out-of-sequence", second, {"offset_bytes": UINT_MAX}),
        (
            "a chunk in a file that is not the next",
            "chunk-out-of-sequence",
            second,
            {"media_number": 2, "offset_bytes": 0},
        ),
        ("two parts of one kind", "body-invalid", second, {"parts": (part, part)}),
        ("an init part in the middle", "body-invalid", second, {"parts": _parts("init")}),
        ("sound that does not cover the chunk", "body-invalid", second, {"audio": _span(1_000_000, 1_500_000)}),
        ("no sound at all", "body-invalid", second, {"audio": ()}),
        ("more chunks closed than there are", "chunk-missing", 6, {"chunk_count": 4}),
        ("fewer chunks closed than there are", "chunk-missing", 6, {"chunk_count": 2}),
        ("a longer time closed", "chunk-missing", 6, {"duration_us": 4_000_000}),
        ("no media closed", "chunk-missing", 6, {"media": ()}),
        ("more recordings closed than there are", "recording-missing", end, {"recording_count": 3}),
        ("a recording that begins twice", "kind-out-of-place", 8, opened_again),
        ("a chunk of a recording that ended", "kind-out-of-place", 9, opened_again),
        ("another camera's key in the opening", "camera-mismatch", 0, {"camera_key": THIEF.public_key}),
    )
    for done, expected, at, values in cases:
        yield _said(done, expected, at, **values)
    clean = {"is_clean": True}
    yield _said("a clean start where no power-off stands", "kind-out-of-place", 2, story="OeR[c]Z", **clean)


def _parts(kind: str) -> tuple[Part, ...]:
    return (Part.model_validate({"kind": kind, "size_bytes": 40, "commitment": bytes(32), "hash": bytes(32)}),)


@KINDS.kind("camera-out-of-order", "good signatures over entries that may not follow each other")
def _out_of_order(random: Random, count: int) -> Iterator[Attack]:
    for story, true, expected, done in (
        ("Oepe[c]Z", "Oepr[c]Z", "kind-out-of-place", "goes on after a power-off without `resumed`"),
        ("O[ccZ", "O[cc]Z", "recording-not-ended", "a recording that nothing ends"),
        ("O[cc]O[c]Z", "O[cc]e[c]Z", "kind-out-of-place", "a shift is opened in the middle"),
        ("O[cc[c]Z", "O[cc][c]Z", "kind-out-of-place", "a recording begins before the last one ended"),
    ):
        yield Attack(done, write(story, "order").evidence, write(true, "order").evidence, (expected,))


@KINDS.kind("camera-writes-other-form", "good signatures over bodies that are not canonical, or not of the page")
def _other_form(random: Random, count: int) -> Iterator[Attack]:
    true = _true(STORY)
    for entry in true.shift.entries:
        assert entry.body_bytes is not None
        at, salt, content = (
            entry.head.sequence,
            entry.body_bytes[:BODY_SALT_SIZE_BYTES],
            entry.body_bytes[BODY_SALT_SIZE_BYTES:],
        )
        value = decode(content)
        if at == 0:
            continue
        where = Where(sequences=(at,), file="chain")
        for done, expected, other in (
            ("a key twice", "entry-not-canonical", bytes([content[0] + 1]) + content[1:] + b"\x63ext\xa0"),
            ("an indefinite length", "entry-not-canonical", b"\xbf" + content[1:] + b"\xff"),
            ("a float for a number", "entry-not-canonical", content.replace(b"\x63ext\xa0", b"\x63ext\xf9\x3c\x00")),
            ("a key too many", "body-invalid", encode(value | {"more": 1})),
            ("a key too few", "body-invalid", encode({key: item for key, item in value.items() if key != "ext"})),
            ("nothing", "body-invalid", b"\xa0"),
        ):
            evidence = {true.name: rebuilt(true, signed_again(true.shift, {at: salt + other}))}
            yield Attack(
                f"entry {at}, {entry.head.kind}, has a body with {done}", evidence, true.evidence, (expected,), where
            )
