"""The test vectors of what was altered: bytes, signatures, and what stands where."""

from collections.abc import Iterator
from typing import Final

from protocol.chain import parse_body
from protocol.entries import Chunk
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.units import UINT_MAX
from tests.protocol.folders import folder_of
from tests.protocol.shifts import make_shift, secret
from tests.protocol.trust import AGENCY
from tests.protocol.vector_recipes import (
    Recipe,
    alter,
    contradicting_receipt,
    damaged,
    first_media,
    forged_end,
    forgery,
    one,
    part,
    put,
    rebodied,
    said,
    small_order,
    small_order_r,
    stranger,
    tampered,
    tell,
    told,
    two_shifts,
    with_file,
)

ALTERED: Final = "altered or incomplete"


def attacks() -> Iterator[Recipe]:
    yield from _altered_bytes()
    yield from _altered_signatures()
    yield from _altered_places()


def _altered_bytes() -> Iterator[Recipe]:
    shift = tell()
    body, cuts = shift.entries[2].body_bytes, shift.cuts()
    assert body is not None
    yield Recipe(
        "record-first-byte",
        ALTERED,
        "record-unreadable",
        "The first byte of the chain is changed: the shift's opening is lost, the rest stands.",
        with_file(CHAIN_NAME, damaged(shift.chain, 3)),
    )
    yield Recipe(
        "record-size",
        ALTERED,
        "record-unreadable",
        "The size of a record is changed; the next one is found.",
        with_file(CHAIN_NAME, damaged(shift.chain, cuts[5] + 1)),
    )
    yield Recipe(
        "record-form",
        ALTERED,
        "record-unreadable",
        "A null of an entry becomes another simple value.",
        with_file(CHAIN_NAME, damaged(shift.chain, cuts[6] - 1)),
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
    yield Recipe(
        "wrong-folder-number",
        ALTERED,
        "entry-out-of-sequence",
        "The chain stands in a folder that is named for another shift number.",
        {name.replace("shift-000001", "shift-000002"): folder for name, folder in told().items()},
    )


def _span(start_us: int, end_us: int) -> object:
    chunk = make_shift("O[c").entries[2]
    body = parse_body(chunk)
    assert isinstance(body, Chunk)
    return body.audio[0].model_copy(update={"start_us": start_us, "end_us": end_us})
