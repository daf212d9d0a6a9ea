"""The test vectors of what is in order, incomplete, or of an issuer that is not confirmed."""

from collections.abc import Iterator
from typing import Final

from protocol.layout import CHAIN_NAME, media_name
from tests.protocol.folders import folder_of, name_of
from tests.protocol.shifts import Device, records, secret, spliced, withheld
from tests.protocol.trust import make_agency
from tests.protocol.vector_attacks import attacks
from tests.protocol.vector_recipes import (
    Recipe,
    first_media,
    foreign_receipt,
    logged,
    one,
    said,
    signed_by_too_few,
    tampered,
    tell,
    told,
    two_shifts,
    with_file,
    withheld_but,
    without_file,
    without_second_shift,
)

WHOLE: Final = "authentic"
GAPS: Final = "authentic with signed gaps"
ALTERED: Final = "altered or incomplete"
ISSUER: Final = "issuer unconfirmed"


def recipes() -> Iterator[Recipe]:
    yield from _in_order()
    yield from attacks()
    yield from _incomplete()
    yield from _issuer()


def _in_order() -> Iterator[Recipe]:
    shift = tell()
    everything = {name_of(shift): folder_of(shift)}
    yield Recipe("whole", WHOLE, "none", "One shift, two recordings, everything at hand.", everything)
    yield Recipe("two-shifts", WHOLE, "none", "Two shifts that follow each other.", two_shifts())
    yield Recipe(
        "shift-before-absent",
        WHOLE,
        "shift-before-absent",
        "The second shift alone: what was given begins with it.",
        dict(list(two_shifts().items())[1:]),
    )
    yield Recipe(
        "power-off", WHOLE, "none", "Switched off and on again: no next key, and no assurance lost.", told("Oepr[c]Z")
    )
    yield Recipe(
        "pre-event-short", WHOLE, "pre-event-short", "The ring held less than the setting asks for.", told("O(c]Z")
    )
    yield Recipe(
        "kind-unknown",
        WHOLE,
        "kind-unknown",
        "An entry of a kind from the future; it verifies in the chain.",
        told("Ou[c]Z"),
    )
    yield Recipe(
        "bodies-withheld",
        WHOLE,
        "body-withheld",
        "A release of the first recording: the other bodies are withheld, all heads are there.",
        withheld_but(0, 1, 2, 3, 4),
    )
    yield Recipe(
        "part-withheld",
        WHOLE,
        "part-withheld",
        "The body of a chunk is withheld and its bytes are there: nothing is said about them.",
        withheld_but(0, 1, 2, 4),
    )
    yield Recipe(
        "receipt-missing",
        WHOLE,
        "receipt-missing",
        "Authentic, and nothing shows that it was anchored.",
        without_file("00.receipt", "01.receipt", "02.receipt"),
    )
    yield Recipe("receipts-logged", WHOLE, "none", "The policy names a ledger, and all receipts stand in it.", logged())
    yield Recipe(
        "receipt-unlogged",
        WHOLE,
        "receipt-unlogged",
        "The policy names a ledger, and a receipt has no proof that it stands in it: it counts for nothing.",
        logged(with_first=False),
    )
    yield Recipe(
        "policy-of-shift-unknown",
        WHOLE,
        "policy-of-shift-unknown",
        "The shift was opened under another policy than the one at hand.",
        told(policy_hash=bytes(32)),
    )
    yield Recipe(
        "frames-dropped", GAPS, "frames-dropped", "A chunk in which the camera delivered too few frames.", told("O[g]Z")
    )
    yield Recipe(
        "resumed-unclean",
        GAPS,
        "resumed-unclean",
        "The camera stopped without warning while not recording.",
        told("OeR[c]Z"),
    )
    yield Recipe(
        "recording-interrupted",
        GAPS,
        "recording-interrupted",
        "The camera stopped while recording; what follows has assurance 1.",
        told("O[cR[c]Z"),
    )
    yield Recipe(
        "resumed-withheld",
        GAPS,
        "resumed-unclean",
        "The body of an unclean `resumed` is withheld: its head still shows what it was.",
        one(_release("OeR[c]Z", 2)),
    )


def _release(story: str, *hidden: int) -> dict[str, bytes]:
    shift = tell(story)
    entries = [withheld(entry) if at in hidden else entry for at, entry in enumerate(shift.entries)]
    return folder_of(shift) | {CHAIN_NAME: records(entries)}


def _incomplete() -> Iterator[Recipe]:
    shift = tell()
    data, second = shift.media[first_media()], media_name(shift.recording_ids[1], 0)
    yield Recipe(
        "chain-empty",
        "unreadable",
        "chain-empty",
        "A chain without one entry.",
        with_file(CHAIN_NAME, b"no chain at all"),
    )
    yield Recipe(
        "shift-missing",
        ALTERED,
        "shift-missing",
        "The first and the third of three shifts: the second is missing.",
        without_second_shift(),
    )
    yield Recipe("chain-missing", "unreadable", "chain-missing", "Media without their chain.", without_file(CHAIN_NAME))
    yield Recipe(
        "chain-not-closed",
        ALTERED,
        "chain-not-closed",
        "The tail is cut between two entries.",
        tampered(shift.entries[:6]),
    )
    yield Recipe(
        "record-cut",
        ALTERED,
        "record-unreadable",
        "The tail is cut in the middle of an entry.",
        with_file(CHAIN_NAME, shift.chain[:-100]),
    )
    yield Recipe(
        "recording-missing",
        ALTERED,
        "recording-missing",
        "All entries of a recording are removed.",
        tampered(spliced(shift.entries, at=6, insert=(), drop=3)),
    )
    yield Recipe("recording-not-ended", ALTERED, "recording-not-ended", "A recording that nothing ends.", told("O[ccZ"))
    yield Recipe(
        "chunk-missing",
        ALTERED,
        "chunk-missing",
        "Fewer chunks than the recording was closed with.",
        said(4, chunk_count=3),
    )
    yield Recipe("media-missing", ALTERED, "media-missing", "A media file is not there.", without_file(second))
    yield Recipe(
        "media-short",
        ALTERED,
        "media-short",
        "The last byte of a media file is cut.",
        with_file(first_media(), data[:-1]),
    )
    yield Recipe(
        "media-excess", ALTERED, "media-excess", "A byte follows the last part.", with_file(first_media(), data + b"\0")
    )
    yield Recipe(
        "file-unknown",
        ALTERED,
        "file-unknown",
        "Media of a recording that the chain does not have.",
        with_file(media_name(secret("nobody", 16), 0), b"media"),
    )


def _issuer() -> Iterator[Recipe]:
    revoked = make_agency(revoked_cameras=(Device("camera").camera_id,))
    whole = told()
    yield Recipe(
        "root-unconfirmed", ISSUER, "root-unconfirmed", "The reader gave no fingerprint to compare.", whole, root=None
    )
    yield Recipe(
        "root-mismatch",
        ISSUER,
        "root-mismatch",
        "The reader gave another fingerprint; receipts count for nothing.",
        whole,
        root=secret("another root"),
    )
    yield Recipe("policy-missing", ISSUER, "policy-missing", "No policy.", without_file("policy"))
    yield Recipe(
        "policy-invalid",
        ISSUER,
        "policy-invalid",
        "One root key signed, two have to.",
        with_file("policy", signed_by_too_few()),
    )
    yield Recipe("enrolment-missing", ISSUER, "enrolment-missing", "No enrolment.", without_file("enrolment"))
    yield Recipe(
        "enrolment-invalid",
        ISSUER,
        "enrolment-invalid",
        "An enrolment by another agency's central.",
        with_file("enrolment", make_agency("other").enrol()),
    )
    yield Recipe(
        "camera-revoked",
        ISSUER,
        "camera-revoked",
        "The policy revokes the camera.",
        one(folder_of(tell(), agency=revoked)),
        root=revoked.root_fingerprint,
    )
    yield Recipe(
        "receipt-invalid",
        ISSUER,
        "receipt-invalid",
        "A receipt by another agency's central.",
        with_file("x.receipt", foreign_receipt()),
    )
    yield Recipe(
        "proof-invalid",
        ISSUER,
        "proof-invalid",
        "A receipt in a checkpoint that one witness cosigned, where the policy asks for two.",
        logged(witness_count=1),
    )
