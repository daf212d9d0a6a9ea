"""The list of test vectors: every kind of finding at least once, and what is in order beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.chain import parse_body
from protocol.entries import Chunk
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.units import UINT_MAX
from tests.protocol.folders import folder_of
from tests.protocol.shifts import Device, make_shift, records, secret, spliced, withheld
from tests.protocol.trust import AGENCY, make_agency
from tests.protocol.vector_recipes import (
    NEUTRAL,
    Recipe,
    alter,
    contradicting_receipt,
    damaged,
    first_media,
    foreign_receipt,
    forged_end,
    forgery,
    one,
    part,
    put,
    rebodied,
    said,
    signed_by_too_few,
    small_order,
    small_order_r,
    stranger,
    tampered,
    tell,
    told,
    two_shifts,
    with_file,
    without_file,
    withheld_but,
)

WHOLE, GAPS, ALTERED, ISSUER = (
    "authentic", "authentic with signed gaps", "altered or incomplete", "issuer unconfirmed",
)  # fmt: skip


def recipes() -> Iterator[Recipe]:
    yield from _in_order()
    yield from _altered_bytes()
    yield from _altered_signatures()
    yield from _altered_places()
    yield from _incomplete()
    yield from _issuer()


def _in_order() -> Iterator[Recipe]:
    shift = tell()
    everything = {f"{next(iter(told()))}": folder_of(shift)}
    yield Recipe("whole", WHOLE, "none", "One shift, two recordings, everything at hand.", everything)
    yield Recipe("two-shifts", WHOLE, "none", "Two shifts that follow each other.", two_shifts())
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


def _altered_bytes() -> Iterator[Recipe]:
    shift = tell()
    body, cuts = shift.entries[2].body_bytes, shift.cuts()
    assert body is not None
    yield Recipe(
        "record-first-byte",
        ALTERED,
        "record-unreadable",
        "The first byte of the chain is changed: the shift's opening is lost, the rest stands.",
        tampered_bytes(damaged(shift.chain, 3)),
    )
    yield Recipe(
        "record-size",
        ALTERED,
        "record-unreadable",
        "The size of a record is changed; the next one is found.",
        tampered_bytes(damaged(shift.chain, cuts[5] + 1)),
    )
    yield Recipe(
        "record-form",
        ALTERED,
        "record-unreadable",
        "A null of an entry becomes another simple value.",
        tampered_bytes(damaged(shift.chain, cuts[6] - 1)),
    )
    yield Recipe(
        "body-mismatch",
        ALTERED,
        "body-mismatch",
        "A byte of a chunk's body is changed.",
        alter(2, body_bytes=damaged(body, 40)),
    )
    yield Recipe(
        "body-not-canonical",
        ALTERED,
        "entry-not-canonical",
        "The camera signed a body of indefinite length: a parse error, under a good signature.",
        rebodied(b"\xbf\xff"),
    )
    yield Recipe(
        "body-invalid",
        ALTERED,
        "body-invalid",
        "The camera signed a body without the keys of its kind: canonical, and not of the page.",
        rebodied(b"\xa0"),
    )
    yield Recipe(
        "part-hash-mismatch",
        ALTERED,
        "part-hash-mismatch",
        "A byte of the media is changed.",
        with_file(first_media(), damaged(shift.media[first_media()], 100)),
    )
    yield Recipe(
        "media-of-another-recording",
        ALTERED,
        "part-hash-mismatch",
        "Media of the second recording as the first.",
        with_file(first_media(), shift.media[media_name(shift.recording_ids[1], 0)]),
    )
    yield Recipe(
        "key-box-mismatch",
        ALTERED,
        "key-box-mismatch",
        "Another key box than the camera named.",
        {name: folder | {key_box_name(shift.recording_ids[0]): b"another"} for name, folder in told().items()},
    )


def tampered_bytes(chain: bytes) -> dict[str, dict[str, bytes]]:
    return with_file(CHAIN_NAME, chain)


def _altered_signatures() -> Iterator[Recipe]:
    entries = tell().entries
    yield Recipe(
        "entry-signature-invalid",
        ALTERED,
        "entry-signature-invalid",
        "The signature of another entry.",
        alter(3, entry_signature=entries[4].entry_signature),
    )
    yield Recipe(
        "entry-signature-header",
        ALTERED,
        "entry-signature-invalid",
        "The right signature under the header of the other algorithm.",
        alter(3, entry_signature=(b"\xa1\x01\x28", *_sign1(3)[1:])),
    )
    yield Recipe(
        "entry-signature-missing",
        ALTERED,
        "entry-signature-missing",
        "A signature is stripped off.",
        alter(3, entry_signature=None),
    )
    yield Recipe(
        "device-signature-missing",
        ALTERED,
        "entry-signature-missing",
        "The device's signature is stripped off the end: the shift is not closed.",
        alter(9, device_signature=None),
    )
    yield Recipe(
        "entry-signature-unexpected",
        ALTERED,
        "entry-signature-unexpected",
        "An event carries a device signature, which its kind does not have.",
        alter(5, device_signature=entries[0].device_signature),
    )
    yield Recipe(
        "device-signature-invalid",
        ALTERED,
        "device-signature-invalid",
        "The end of a shift forged with a stolen entry key and another device's key.",
        tampered([*entries[:5], forged_end()]),
    )
    yield Recipe(
        "small-order-key",
        ALTERED,
        "entry-signature-invalid",
        "A next key of small order, with the signature that libraries accept for every message.",
        small_order(),
    )
    yield Recipe(
        "small-order-r", ALTERED, "entry-signature-invalid", "A signature whose R is of small order.", small_order_r()
    )
    yield Recipe(
        "forged-entry",
        ALTERED,
        "entry-signature-invalid",
        "A forged entry, linked and signed with the attacker's key, is put in; everything genuine stands.",
        put(3, forgery(3), drop=0),
    )
    yield Recipe(
        "entry-key-unknown",
        ALTERED,
        "entry-key-unknown",
        "An entry is removed and the tail is cut: what lies between is vouched for by nobody.",
        tampered([*entries[:3], *entries[4:8]]),
    )
    yield Recipe(
        "camera-mismatch",
        ALTERED,
        "camera-mismatch",
        "A whole chain of another camera.",
        one(folder_of(stranger()) | {"enrolment": AGENCY.enrol()}, stranger()),
    )


def _sign1(at: int) -> tuple[object, ...]:
    signature = tell().entries[at].entry_signature
    assert isinstance(signature, tuple)
    return signature


def _altered_places() -> Iterator[Recipe]:
    entries, other = tell().entries, stranger().entries
    yield Recipe(
        "entry-removed",
        ALTERED,
        "entry-out-of-sequence",
        "A chunk's entry is removed: a hole, behind which everything stands by the end's device signature.",
        put(3),
    )
    yield Recipe(
        "entries-swapped",
        ALTERED,
        "entry-out-of-sequence",
        "Two entries are swapped; both stand.",
        put(3, entries[4], entries[3], drop=2),
    )
    yield Recipe(
        "entry-repeated", ALTERED, "entry-out-of-sequence", "An entry stands twice.", put(3, entries[3], drop=0)
    )
    yield Recipe(
        "entry-of-another-shift",
        ALTERED,
        "entry-out-of-sequence",
        "An entry of another shift is put in.",
        put(3, other[3], drop=0),
    )
    yield Recipe(
        "entry-not-linked",
        ALTERED,
        "entry-not-linked",
        "An entry of the right number that does not name the one before it.",
        tampered([*entries[:4], *make_shift("O[ccceZ", name="vectors").entries[4:6]]),
    )
    yield Recipe(
        "shifts-not-linked",
        ALTERED,
        "entry-not-linked",
        "The second shift names another entry as the last of the first.",
        two_shifts(tell().last.model_copy(update={"sequence": 8})),
    )
    yield Recipe(
        "entry-after-end", ALTERED, "entry-after-end", "An entry follows shift-closed.", put(10, forgery(10), drop=0)
    )
    yield Recipe(
        "kind-out-of-place",
        ALTERED,
        "kind-out-of-place",
        "The camera goes on after a power-off without `resumed`.",
        told("Oepe[c]Z"),
    )
    yield Recipe(
        "resumed-not-clean",
        ALTERED,
        "kind-out-of-place",
        "`resumed` calls itself clean, and no power-off stands before it.",
        told("OeR[c]Z", change={2: lambda body: body.model_copy(update={"is_clean": True})}),
    )
    yield Recipe(
        "chunk-out-of-sequence",
        ALTERED,
        "chunk-out-of-sequence",
        "A chunk that begins before the last one ends.",
        said(3, start_us=999_999, audio=(_span(999_999, 1_999_999),)),
    )
    yield Recipe(
        "chunk-offset",
        ALTERED,
        "chunk-out-of-sequence",
        "A chunk at the last offset that there is.",
        said(3, offset_bytes=UINT_MAX),
    )
    yield Recipe(
        "chunk-parts",
        ALTERED,
        "body-invalid",
        "A chunk that holds two parts of one kind.",
        said(3, parts=(part("video"), part("video"))),
    )
    yield Recipe(
        "receipt-contradicts",
        ALTERED,
        "receipt-contradicts",
        "A good receipt for another camera's shift.",
        with_file("x.receipt", contradicting_receipt()),
    )
    yield Recipe(
        "wrong-folder",
        ALTERED,
        "entry-out-of-sequence",
        "The chain stands in the folder of another shift.",
        {name.replace(name[-32:], secret("elsewhere", 16).hex()): folder for name, folder in told().items()},
    )


def _span(start_us: int, end_us: int) -> object:
    chunk = make_shift("O[c").entries[2]
    body = parse_body(chunk)
    assert isinstance(body, Chunk)
    return body.audio[0].model_copy(update={"start_us": start_us, "end_us": end_us})


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
        tampered_bytes(shift.chain[:-100]),
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


@dataclass(frozen=True)
class Bits:
    """A vector below the level of files: bytes that are refused, and the words of the reason."""

    name: str
    test: str
    reason: str
    comment: str
    values: tuple[tuple[str, bytes], ...]


def bits() -> Iterator[Bits]:
    for name, reason, data, comment in (
        ("duplicate-key", "deterministic encoding", "a2616100616101", "A map with one key twice."),
        ("key-order", "deterministic encoding", "a2616200616100", "Map keys out of order."),
        ("long-integer", "shortest form", "1817", "23 in two bytes."),
        ("indefinite-array", "indefinite length", "9f00ff", "An array of indefinite length."),
        ("tag", "tag", "c000", "A tagged value."),
        ("float", "simple value or float", "f93c00", "A float."),
        ("undefined", "simple value or float", "f7", "The simple value undefined."),
        ("integer-key", "not text", "a10000", "A map key that is not text."),
        ("bad-utf8", "undecodable", "62c328", "A text that is not UTF-8."),
        ("deep", "nested deeper", "81" * 8 + "00", "Nine levels."),
        ("trailing", "after the end", "0000", "A byte after the end."),
        ("huge-array", "members", "9a7fffffff00", "An array that claims two thousand million members."),
    ):
        yield Bits(f"cbor-{name}", "cbor", reason, comment, (("bytes", bytes.fromhex(data)),))
    key, message = AGENCY.central, b"what is signed"
    good = key.sign(message)
    order = 2**252 + 27742317777372353535851937790883648493
    second = good[:32] + (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    non_canonical = (2**255 - 18).to_bytes(32, "little")
    for name, reason, public, signature, comment in (
        (
            "small-order-key",
            "point of small order",
            NEUTRAL,
            NEUTRAL + bytes(32),
            "The neutral point as key and R, with S = 0: libraries accept it for every message.",
        ),
        ("non-canonical-key", "not canonical", non_canonical, NEUTRAL + bytes(32), "The neutral point with y + p."),
        ("small-order-r", "point of small order", key.public_key, NEUTRAL + good[32:], "R is the neutral point."),
        ("non-canonical-r", "not canonical", key.public_key, non_canonical + good[32:], "R has a y not below p."),
        ("large-s", "does not fit", key.public_key, second, "S + L: the same signature in a second form."),
    ):
        values = (("public-key", public), ("message", message), ("signature", signature))
        yield Bits(f"ed25519-{name}", "ed25519", reason, comment, values)
    device = Device("camera")
    values = (("public-key", device.public_key), ("message", message), ("signature", bytes(64)))
    yield Bits("p256-zero", "p256", "does not fit", "r = s = 0.", values)
    values = (("public-key", b"\x04" + bytes(64)), ("message", message), ("signature", device.sign(message)))
    yield Bits("p256-no-point", "p256", "does not fit", "A key that is no point of the curve.", values)
