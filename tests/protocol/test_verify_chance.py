"""The opponent by chance: any mixture of attacks on a chain or a folder; nothing forged may stand, nothing go unnoticed.

SEALCAM_TEST_LONG=1 tries more of them.
"""

import json
import os
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.chain import Entry
from protocol.verify.chain import verify_chain
from tests.protocol.attackers import forged_run
from tests.protocol.checks import kinds, standing
from tests.protocol.folders import folder_of, verdict_on
from tests.protocol.shifts import DEVICE, Device, Shift, entry_key, make_shift, records, withheld
from tests.protocol.trust import POLICY_HASH

IS_LONG = os.environ.get("SEALCAM_TEST_LONG") == "1"
ATTACKER = Device("attacker")
STORIES = {story: make_shift(story) for story in ("O[cc]e[ccc]Z", "O[cc]e[cRh[c]pr[cc]Z", "OpReZ", "O[cRR(cC]uZ", "OZ")}
MOVES = (
    "drop",
    "repeat",
    "swap",
    "forge",
    "strip",
    "splice",
    "withhold",
    "rebody",
    "stranger",
    "steal",
    "junk",
    "tail",
)


@st.composite
def attacked(draw: st.DrawFn) -> tuple[Shift, bytes, bool]:
    """Return a shift, its chain after some attacks, and whether only bodies are withheld."""
    shift = STORIES[draw(st.sampled_from(sorted(STORIES)))]
    stranger = make_shift(shift.story, name="other", device=draw(st.sampled_from([DEVICE, ATTACKER])))
    pieces: list[Entry | bytes] = list(shift.entries)
    moves = draw(st.lists(st.sampled_from(MOVES), min_size=1, max_size=4))
    for move in moves:
        at = draw(st.integers(0, len(pieces) - 1)) if pieces else 0
        other = draw(st.sampled_from(shift.entries))
        piece = pieces[at] if pieces else b""
        entry = piece if isinstance(piece, Entry) else shift.entries[-1]
        sequence = min(entry.head.sequence, len(shift.entries) - 1)
        match move:
            case "drop":
                del pieces[at : at + 1]
            case "tail":
                del pieces[at:]
            case "repeat":
                pieces.insert(at, other)
            case "swap" if at:
                pieces[at - 1 : at + 1] = [piece, pieces[at - 1]]
            case "forge" if sequence:
                pieces[at:at] = forged_run(shift, sequence, draw(st.integers(1, 3)))
            case "strip":
                pieces[at : at + 1] = [replace(entry, entry_signature=None)]
            case "splice":
                pieces[at : at + 1] = [replace(entry, entry_signature=other.entry_signature)]
            case "withhold":
                pieces[at : at + 1] = [withheld(entry)]
            case "rebody":
                pieces[at : at + 1] = [replace(entry, body_bytes=other.body_bytes)]
            case "stranger":
                pieces.insert(at, stranger.entries[draw(st.integers(0, len(stranger.entries) - 1))])
            case "steal" if sequence:
                pieces.insert(at, steal(shift, sequence, draw(st.integers(0, len(shift.entries) - 1))))
            case "junk":
                pieces.insert(at, draw(st.binary(min_size=1, max_size=200)))
    data = b"".join(piece if isinstance(piece, bytes) else record_of_entry(piece) for piece in pieces)
    allowed = [(entry, withheld(entry)) for entry in shift.entries]
    is_withheld_only = len(pieces) == len(allowed) and all(
        piece in pair for piece, pair in zip(pieces, allowed, strict=True)
    )
    return shift, data, is_withheld_only


def steal(shift: Shift, sequence: int, stolen: int) -> Entry:
    """Return an entry made with a stolen key, at any place but the one that the key is for."""
    key = shift.keys[stolen] if stolen != sequence - 1 else None
    return shift.forged(sequence, key=key, next_key=entry_key("mine"))


def record_of_entry(entry: Entry) -> bytes:
    return records([entry])


@settings(max_examples=10_000 if IS_LONG else 400)
@given(attacked())
def test_nothing_forged_ever_stands_and_nothing_is_done_unnoticed(attack: tuple[Shift, bytes, bool]) -> None:
    shift, data, is_withheld_only = attack
    report = verify_chain(data, camera_key=DEVICE.public_key)

    if report is None or data == shift.chain:
        return
    assert is_withheld_only != report.has_alterations
    if report.shift_id != shift.shift_id:
        # What the same camera wrote into another shift is genuine; that this is not its place was found.
        return
    assert "!" not in standing(shift, report)
    assert is_withheld_only <= ("body-withheld" in kinds(report))
    assert len(report.findings) < 100
    genuine = set(shift.recording_ids)
    assert {view.recording_id for view in report.recordings} <= genuine
    assert not report.is_closed or report.head_hash == shift.entries[-1].head_hash


SHIFT = make_shift("O[cCg]e[cRh[c]Z", policy_hash=POLICY_HASH)
FOLDER = folder_of(SHIFT)


@settings(max_examples=5_000 if IS_LONG else 300)
@given(st.data())
def test_every_flipped_byte_of_every_file_of_a_folder_changes_the_verdict(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FOLDER)))
    damaged = bytearray(FOLDER[name])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    verdict = verdict_on(FOLDER | {name: bytes(damaged)})

    assert verdict.verdict in ("altered or incomplete", "issuer unconfirmed"), name
    assert json.loads(verdict.model_dump_json())["sentence"] == verdict.sentence


@settings(max_examples=3_000 if IS_LONG else 200)
@given(st.dictionaries(st.sampled_from([*sorted(FOLDER), "x.receipt"]), st.binary(max_size=600), min_size=1))
def test_whatever_stands_in_a_folder_has_a_verdict(replaced: dict[str, bytes]) -> None:
    verdict = verdict_on(FOLDER | replaced)

    assert verdict.verdict != "authentic"
    assert len(verdict.findings) < 100
