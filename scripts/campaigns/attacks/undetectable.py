"""What no verdict can show, as far as attacks can be played: each must come out authentic, and say no more than is declared here.

A reason is a sentence of SECURITY.md, word for word: what is not protected is said where people look for it.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from protocol.chain import Entry
from protocol.entries import Event
from protocol.receipt import ChainSubject
from scripts.campaigns.attacks.attack import Attack, Registry
from scripts.campaigns.attacks.continued import closed, extended, rebuilt, resumed, resumed_and_closed, running_at
from scripts.campaigns.attacks.evidence import AGENCY, Written, agency_of, archive, without_receipts, write
from tests.protocol.folders import report_of
from tests.protocol.shifts import moment, records, withheld

KINDS: Final = Registry()

# The order of P-256's group: (r, s) and (r, n - s) are both signatures of one message.
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _gaps(written: Written, at: int, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return what must be told of a `resumed` at entry ``at``: nothing behind a power-off."""
    if entries[at - 1].head.next_key is None:
        return ()
    return (
        ("resumed-unclean",) if running_at(written.shift, at) is None else ("resumed-unclean", "recording-interrupted")
    )


@KINDS.kind("tail-cut-before-docking", "the tail is cut from the card, the camera resumes by itself, docks, and is receipted",
            reason="A tail cut from the card before it ever docked.")  # fmt: skip
def _tail_cut(random: Random, count: int) -> Iterator[Attack]:
    for written in (archive().day, archive().other[0]):
        for at in range(1, len(written.shift.entries) - 1):
            entries = resumed_and_closed(written, at, written.shift.device)
            if (expected := _gaps(written, at, entries)) != ():
                evidence = {written.name: rebuilt(written, entries)}
                yield Attack(f"everything from entry {at} on is cut off", evidence, written.evidence, expected)


@KINDS.kind("tail-cut-behind-power-off", "the tail is cut right behind a power-off, before the camera ever docked",
            reason="A tail cut right behind a power-off, before the card ever docked, or written anew there with the device key.")  # fmt: skip
def _tail_cut_behind_power_off(random: Random, count: int) -> Iterator[Attack]:
    for written in (archive().day, archive().own[2]):
        for at, letter in enumerate(written.shift.story):
            if letter == "p":
                entries = resumed_and_closed(written, at + 1, written.shift.device)
                evidence = {written.name: rebuilt(written, entries)}
                yield Attack(f"everything behind entry {at} is cut off", evidence, written.evidence, ())


@KINDS.kind("stolen-device-key-forward", "a stolen device key writes what follows an entry anew, before the camera ever docked",
            reason="A thief who holds the device key, until the camera docks.")  # fmt: skip
def _stolen_device(random: Random, count: int) -> Iterator[Attack]:
    for written, name in ((archive().day, "tamper/1"), (archive().other[0], "tamper/other/1")):
        for at in range(1, len(written.shift.entries) - 1):
            if written.shift.entries[at - 1].head.next_key is None:
                continue
            # The same name gives the same entries up to there, byte for byte.
            forged = write(f"{written.shift.story[:at]}R[c]Z", name, device=written.shift.device)
            assert forged.shift.entries[:at] == written.shift.entries[:at]
            expected = _gaps(written, at, written.shift.entries)
            done = f"written anew from entry {at} on, with an invented recording"
            yield Attack(done, forged.evidence, written.evidence, expected, assurance=1)


@KINDS.kind("stolen-device-key-whole-shift", "a stolen device key writes the newest shift anew from its opening, before it ever docked",
            reason="A thief who holds the device key, until the camera docks.")  # fmt: skip
def _stolen_whole(random: Random, count: int) -> Iterator[Attack]:
    before, written = archive().other
    for story in ("OZ", "O[c]Z", "Oe[cc]e[c]Z"):
        forged = write(story, "invented", number=2, previous=before.shift.last, device=written.shift.device)
        done = f"the newest shift is written anew as {story}"
        yield Attack(done, archive().all_of(before, forged), archive().all_of(before, written), (), assurance=2)


@KINDS.kind("stolen-live-key-forward", "a thief uses the live entry key from the moment of theft on; the camera resumes behind him",
            reason="A thief who uses the live entry key from the moment of theft on.")  # fmt: skip
def _stolen_live(random: Random, count: int) -> Iterator[Attack]:
    for written in (archive().day, archive().other[0]):
        shift = written.shift
        for at in range(1, len(shift.entries) - 1):
            key = shift.keys[at - 1]
            if key is None:
                continue
            kept = shift.entries[:at]
            invented = [Event(at=moment(at + n), name="wake", recording_id=None, value=n) for n in range(3)]
            bodies = [*invented, resumed(at + 3, interrupted=running_at(shift, at)), closed(at + 4, kept)]
            entries = extended(shift, kept, bodies, shift.device, key)
            evidence = {written.name: rebuilt(written, entries)}
            yield Attack(
                f"forged with the live key from entry {at} on", evidence, written.evidence, ("resumed-unclean",)
            )


@KINDS.kind("malicious-firmware", "the camera itself seals pictures that no sensor saw",
            reason="Malicious capture firmware.")  # fmt: skip
def _firmware(random: Random, count: int) -> Iterator[Attack]:
    written = archive().day
    for repeats in (1, 3, 20):
        invented = write(written.shift.story, f"invented/{repeats}", part_repeats=repeats)
        yield Attack("other pictures, sealed from the start", invented.evidence, written.evidence, (), assurance=2)


@KINDS.kind("clock-set-wrong", "the camera's clock is set back or forward before it signs",
            reason="A camera's clock is a claim, with source and uncertainty beside it; no security decision reads it.")  # fmt: skip
def _clock(random: Random, count: int) -> Iterator[Attack]:
    story = "Oe[cc]Z"
    true = write(story, "clock")
    for by_ms in (-10 * 365 * 86_400_000, -3_600_000, 40 * 365 * 86_400_000):
        change = {
            at: lambda body, by_ms=by_ms: body.model_copy(
                update={"at": body.at.model_copy(update={"utc_ms": body.at.utc_ms + by_ms})}
            )
            for at in range(len(story))
        }
        false = write(story, "clock", change=change)
        yield Attack(f"a clock that is wrong by {by_ms} ms", false.evidence, true.evidence, (), assurance=2)


@KINDS.kind("central-backdates", "central signs a receipt with another time in it",
            reason="Central's administrator is trusted there not to backdate")  # fmt: skip
def _backdated(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        report = report_of(written.shift)
        subject = ChainSubject(kind="chain", size_bytes=report.size_bytes)
        signed = AGENCY.receipt(report, subject, written.shift.device, stored_at_ms=0)
        yield Attack("a receipt of 1970", written.with_files({"99.receipt": signed}), written.evidence, ())


@KINDS.kind("outermost-shift", "the newest shift, or the oldest ones, are left out",
            reason="Shifts at either end of what is given.")  # fmt: skip
def _outermost(random: Random, count: int) -> Iterator[Attack]:
    own = archive().own
    whole = archive().all_of(*own)
    for first in range(len(own)):
        for last in range(first + 1, len(own) + 1):
            if 0 < last - first < len(own):
                expected = ("shift-before-absent",) if first else ()
                done = f"only shifts {first + 1} to {last} are given"
                yield Attack(done, archive().all_of(*own[first:last]), whole, expected)


@KINDS.kind("no-receipts", "all receipts are taken away",
            reason="Receipts, a key box or a whole copy more or less.")  # fmt: skip
def _no_receipts(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        bare = without_receipts(written)
        expected = ("receipt-missing",) if written.shift.recording_ids else ()
        yield Attack("no receipts", written.with_files(bare), written.evidence, expected, assurance=0)


@KINDS.kind("no-key-box", "a key box is taken away",
            reason="Receipts, a key box or a whole copy more or less.")  # fmt: skip
def _no_key_box(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for name in written.shift.key_boxes:
            yield Attack(f"{name} is taken away", written.with_files({name: None}), written.evidence, ())


@KINDS.kind("whole-copy", "a whole shift is given twice",
            reason="Receipts, a key box or a whole copy more or less.")  # fmt: skip
def _whole_copy(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        both = {f"{place}/{written.name}": written.folder for place in "ab"}
        yield Attack("given twice", both, written.evidence, ())


@KINDS.kind("old-policy", "an older policy of the same root is given, from before a camera was revoked",
            reason="An older policy of the same root.")  # fmt: skip
def _old_policy(random: Random, count: int) -> Iterator[Attack]:
    for number, written in enumerate(archive().shifts):
        device = written.shift.device
        new = agency_of(version=2, revoked_cameras=(bytes(16),))
        later = write(written.shift.story, f"later/{number}", number=written.number, device=device, agency=new)
        old = {later.name: later.folder | {"policy": AGENCY.signed_policy}}
        yield Attack("the policy before the shift's own", old, later.evidence, ("policy-of-shift-unknown",))


@KINDS.kind("other-form-of-device-signature", "a device signature (r, s) is exchanged for (r, n - s)",
            reason="The other form of a device signature.")  # fmt: skip
def _malleable(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for entry in written.shift.entries:
            signature = entry.device_signature
            if not isinstance(signature, tuple):
                continue
            s = int.from_bytes(signature[3][32:], "big")
            other = signature[3][:32] + (_P256_ORDER - s).to_bytes(32, "big")
            chain = written.shift.chain.replace(signature[3], other)
            done = f"entry {entry.head.sequence} with the other form of its signature"
            yield Attack(done, written.with_chain(chain), written.evidence, ())


@KINDS.kind("altered-behind-a-cut", "a chunk's body is withheld, and its media are altered",
            reason="What a release withholds.")  # fmt: skip
def _behind_cut(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for view in report_of(written.shift).recordings:
            for chunk in view.chunks:
                name = f"{view.recording_id.hex()}.{chunk.chunk.media_number:04d}.media"
                start, end = chunk.chunk.offset_bytes, chunk.chunk.offset_bytes + chunk.chunk.size_bytes
                data = written.folder[name]
                media = data[:start] + random.randbytes(end - start) + data[end:]
                entries = [withheld(e) if e.head.sequence == chunk.sequence else e for e in written.shift.entries]
                evidence = written.with_files({"chain": records(entries), name: media})
                done = f"chunk {chunk.chunk.index} is withheld and its media are other bytes"
                yield Attack(done, evidence, written.evidence, ("body-withheld", "part-withheld"))


@KINDS.kind("shift-left-out-behind-a-cut", "a shift is left out, and the opening of the next one is withheld",
            reason="What a release withholds.")  # fmt: skip
def _left_out_behind_cut(random: Random, count: int) -> Iterator[Attack]:
    own = archive().own
    for index in range(1, len(own) - 1):
        after = own[index + 1]
        entries = [withheld(after.shift.entries[0]), *after.shift.entries[1:]]
        left = archive().all_of(*own[:index], *own[index + 2 :]) | after.with_chain(records(entries))
        # Whatever follows it in turn still links to it.
        yield Attack(f"shift {index + 1} is left out", left, archive().all_of(*own), ("body-withheld",))


@KINDS.kind("foreign-file-beside", "a file that is of no kind of the format stands in a shift's folder",
            reason="Files that are not of the format.")  # fmt: skip
def _beside(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for name in ("evidence.mp4", "chain.bak", "README", "policy.old"):
            yield Attack(f"{name} stands beside", written.with_files({name: b"anything"}), written.evidence, ())
