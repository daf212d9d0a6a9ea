"""Attacks on policy, enrolment and receipts: forged, replayed, exchanged, by keys that are revoked or never were the agency's."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from protocol.canonical import decode, encode
from protocol.cose import sign_attached
from protocol.policy import Root, sign_policy
from protocol.receipt import ChainSubject, RecordingSubject
from protocol.verify.chain import ChainReport
from protocol.verify.shift import recording_subject
from scripts.campaigns.attacks.attack import Attack, Registry
from scripts.campaigns.attacks.evidence import (
    AGENCY,
    ROOT,
    ROOT_KEYS,
    THIEF,
    Written,
    agency_of,
    archive,
    under_root,
    without_receipts,
    write,
)
from tests.protocol.folders import report_of
from tests.protocol.shifts import entry_key, secret
from tests.protocol.trust import Agency, make_policy

KINDS: Final = Registry()

STRANGER: Final = agency_of("another agency")
_CONTRADICTS: Final = ("receipt-contradicts",)
_INVALID: Final = ("receipt-invalid",)


def _with(written: Written, name: str, data: bytes | None, done: str, expected: tuple[str, ...]) -> Attack:
    return Attack(f"{name}: {done}", written.with_files({name: data}), written.evidence, expected)


def _flips(names: tuple[str, ...], random: Random, count: int, expected: tuple[str, ...]) -> Iterator[Attack]:
    places = [(written, name) for written in archive().shifts for name in written.folder if name.endswith(names)]
    for number in range(count):
        written, name = places[number % len(places)]
        data = written.folder[name]
        at = (0, len(data) - 1)[number // len(places)] if number < 2 * len(places) else random.randrange(len(data))
        bit = random.randrange(8)
        bad = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        yield _with(written, name, bad, f"bit {bit} of byte {at} flipped", expected)


@KINDS.kind("flip-receipt", "a bit of a receipt is flipped", weight=8)
def _flip_receipt(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips((".receipt",), random, count, _INVALID)


@KINDS.kind("flip-policy", "a bit of the signed policy is flipped", weight=5)
def _flip_policy(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(("policy",), random, count, ("policy-invalid", "root-mismatch"))


@KINDS.kind("flip-enrolment", "a bit of the enrolment is flipped", weight=4)
def _flip_enrolment(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(("enrolment",), random, count, ("enrolment-invalid",))


@KINDS.kind("cut-trust", "policy, enrolment or a receipt ends early, goes on, or is rubbish")
def _cut(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for name, data in written.folder.items():
            kind = name.rsplit(".", 1)[-1]
            if kind not in ("policy", "enrolment", "receipt"):
                continue
            for bad in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\x00", random.randbytes(len(data))):
                yield _with(written, name, bad, f"{len(bad)} bytes instead of {len(data)}", (f"{kind}-invalid",))


@KINDS.kind("no-policy", "the policy is taken away")
def _no_policy(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        yield _with(written, "policy", None, "taken away", ("policy-missing",))


@KINDS.kind("no-enrolment", "the enrolment is taken away")
def _no_enrolment(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        yield _with(written, "enrolment", None, "taken away", ("enrolment-missing",))


@KINDS.kind(
    "policy-of-another-root", "the policy, with the same keys in it, is signed by a root that is not the agency's"
)
def _other_root(random: Random, count: int) -> Iterator[Attack]:
    for number, written in enumerate(archive().shifts):
        key = entry_key(f"thief's root {number}")
        for policy in (AGENCY.policy, make_policy(central_keys=(entry_key("thief").public_key,))):
            signed = sign_policy(policy, Root(threshold=1, keys=(key.public_key,)), (key,))
            yield _with(written, "policy", signed, "of another root", ("root-mismatch",))


@KINDS.kind(
    "policy-below-threshold",
    "the policy has fewer signatures than its root asks for, one that is bad, or the root asks for fewer",
)
def _threshold(random: Random, count: int) -> Iterator[Attack]:
    policy, places = AGENCY.policy, decode(AGENCY.signed_policy)[2]
    bad = [places[0], [*places[1][:3], bytes(64)], None]
    forms = {
        "no signature": encode([policy.encoded(), ROOT.encoded(), [None] * 3]),
        "one bad signature": encode([policy.encoded(), ROOT.encoded(), bad]),
        "one key's signature twice": encode([policy.encoded(), ROOT.encoded(), [places[0], places[0], None]]),
        "two places for three keys": encode([policy.encoded(), ROOT.encoded(), list(places[:2])]),
        "signatures of another policy": encode([make_policy(version=2).encoded(), ROOT.encoded(), list(places)]),
    }
    forms |= {
        f"the signature of key {n} alone": under_root(AGENCY, [key]).signed_policy for n, key in enumerate(ROOT_KEYS)
    }
    for written in archive().shifts:
        for done, signed in forms.items():
            yield _with(written, "policy", signed, done, ("policy-invalid",))
        lowered = sign_policy(policy, Root(threshold=1, keys=ROOT.keys), ROOT_KEYS[:1])
        yield _with(written, "policy", lowered, "a root with a lower threshold", ("root-mismatch",))


@KINDS.kind("agency-of-his-own", "everything is made by a forger: root, central, camera, shift, receipts")
def _own_agency(random: Random, count: int) -> Iterator[Attack]:
    for number, written in enumerate(archive().shifts):
        forged = write(written.shift.story, f"forger/{number}", number=written.number, device=THIEF, agency=STRANGER)
        for root, expected in ((AGENCY.root_fingerprint, "root-mismatch"), (None, "root-unconfirmed")):
            given = "gives the agency's root" if root else "gives no root"
            done = f"a forged shift {written.number}, and the reader {given}"
            yield Attack(done, forged.evidence, written.evidence, (expected,), root=root)


@KINDS.kind(
    "foreign-enrolment", "the enrolment is another camera's, another central's, or by a key that is no central's"
)
def _foreign_enrolment(random: Random, count: int) -> Iterator[Attack]:
    liar = replace(AGENCY, central=entry_key("agency/dock"))
    for written in archive().shifts:
        device = written.shift.device
        yield _with(written, "enrolment", STRANGER.enrol(device), "by another agency", ("enrolment-invalid",))
        yield _with(written, "enrolment", liar.enrol(device), "by a dock", ("enrolment-invalid",))
        yield _with(written, "enrolment", AGENCY.enrol(THIEF), "of another camera", ("camera-mismatch",))


def _under(written: Written, agency: Agency, done: str, expected: tuple[str, ...]) -> Attack:
    """Return a shift with another policy of the agency's root beside it."""
    return Attack(done, written.with_files({"policy": agency.signed_policy}), written.evidence, expected)


@KINDS.kind("revoked-camera", "a later policy revokes the camera")
def _revoked(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        agency = agency_of(version=2, revoked_cameras=(written.shift.device.camera_id,))
        yield _under(written, agency, "the camera is revoked", ("camera-revoked",))


@KINDS.kind(
    "revoked-central", "a later policy does not name the central key any more that signed enrolment or receipts"
)
def _revoked_central(random: Random, count: int) -> Iterator[Attack]:
    new = entry_key("agency/central 2")
    agency = agency_of(version=2, central_keys=(new.public_key,))
    for written in archive().shifts:
        enrolment = replace(AGENCY, central=new).enrol(written.shift.device)
        yield _under(written, agency, "the old central's enrolment", ("enrolment-invalid",))
        files = {"policy": agency.signed_policy, "enrolment": enrolment}
        yield Attack("the old central's receipts", written.with_files(files), written.evidence, _INVALID)


def subjects(report: ChainReport) -> Iterator[RecordingSubject | ChainSubject]:
    """Yield what central's receipts for a shift are about."""
    for view in report.recordings:
        subject = recording_subject(view)
        assert subject is not None
        yield subject
    yield ChainSubject(kind="chain", size_bytes=report.size_bytes)


def _receipted(written: Written, signed: bytes, done: str, expected: tuple[str, ...]) -> Iterator[Attack]:
    """Yield an attack with this receipt beside the good ones, and one with it in place of all of them."""
    bare = without_receipts(written)
    yield Attack(f"{done}, beside", written.with_files({"99.receipt": signed}), written.evidence, expected)
    alone = written.with_files(bare | {"00.receipt": signed})
    yield Attack(f"{done}, alone", alone, written.evidence, expected)


@KINDS.kind("forge-receipt", "a receipt is signed by a dock, by another agency, or by a thief in central's name")
def _forge(random: Random, count: int) -> Iterator[Attack]:
    dock = entry_key("agency/dock")
    for written in archive().shifts:
        report, device = report_of(written.shift), written.shift.device
        for subject in subjects(report):
            by_dock = replace(AGENCY, central=dock).receipt(report, subject, device)
            yield from _receipted(written, by_dock, "signed by a dock", _INVALID)
            yield from _receipted(written, STRANGER.receipt(report, subject, device), "by another agency", _INVALID)
            true = decode(AGENCY.receipt(report, subject, device))
            in_its_name = encode([*true[:3], dock.sign(true[2])])
            yield from _receipted(written, in_its_name, "signed by a dock in central's name", _INVALID)


@KINDS.kind("replay-receipt", "a true receipt of another shift or another camera is put beside a shift")
def _replay(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        for other in archive().shifts:
            for name, data in other.folder.items():
                if other is not written and name.endswith(".receipt"):
                    yield from _receipted(written, data, f"{name} of {other.name}", _CONTRADICTS)


@KINDS.kind("enrolment-as-receipt", "what central signed for one purpose stands where another is asked for")
def _purpose(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        receipt, enrolment = written.folder["00.receipt"], written.folder["enrolment"]
        yield _with(written, "enrolment", receipt, "is a receipt", ("enrolment-invalid",))
        yield from _receipted(written, enrolment, "an enrolment as receipt", _INVALID)
        foreign = decode(enrolment)
        spliced = encode([*decode(receipt)[:3], foreign[3]])
        yield from _receipted(written, spliced, "a receipt with the enrolment's signature", _INVALID)


@KINDS.kind(
    "false-receipt", "central itself signs what is not so: fewer chunks, smaller files, another head, box or end"
)
def _false(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        report, device = report_of(written.shift), written.shift.device
        for done, signed in _untrue(report, written):
            assert signed not in AGENCY.receipts(report, device)
            yield from _receipted(written, signed, done, _CONTRADICTS)


def _untrue(report: ChainReport, written: Written) -> Iterator[tuple[str, bytes]]:
    device = written.shift.device
    for subject in subjects(report):
        for done, changes in (
            ("an earlier head", {"head_sequence": report.head_sequence - 1}),
            ("a fork's head", {"head_hash": secret("fork")}),
            ("another camera", {"camera_id": THIEF.camera_id}),
            ("another shift", {"shift_id": secret("elsewhere", 16)}),
        ):
            yield done, AGENCY.receipt(report, subject, device, **changes)
        lies: list[tuple[str, dict[str, object]]] = [("a shorter chain", {"size_bytes": report.size_bytes - 1})]
        if isinstance(subject, RecordingSubject):
            shorter = tuple(f.model_copy(update={"size_bytes": f.size_bytes - 1}) for f in subject.media)
            lies = [
                ("fewer chunks", {"chunk_count": subject.chunk_count - 1}),
                ("smaller files", {"media": shorter}),
                ("no media", {"media": ()}),
                ("another end", {"ending_head_hash": secret("end")}),
                ("another key box", {"key_box_hash": secret("box")}),
                ("a recording that is not there", {"recording_id": secret("nobody", 16)}),
            ]
        for done, values in lies:
            yield done, AGENCY.receipt(report, subject.model_copy(update=values), device)


@KINDS.kind(
    "receipt-in-another-form", "a receipt says the same in another encoding, a key twice, or more than the page gives"
)
def _form(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        report, device = report_of(written.shift), written.shift.device
        for subject in subjects(report):
            true = AGENCY.receipt(report, subject, device)
            header, unprotected, payload, signature = decode(true)
            more = encode(decode(payload) | {"more": 1})
            truth = encode(decode(payload) | {"key_box_opened": 1})
            for done, signed in (
                ("an array in its long form", b"\x98\x04" + true[1:]),
                ("a key more, signed by central", _signed(more)),
                ("a number for a truth, signed by central", _signed(truth)),
                ("an unprotected header", encode([header, {"a": 1}, payload, signature])),
                (
                    "a signature of small order",
                    encode([header, unprotected, payload, (1).to_bytes(32, "little") + bytes(32)]),
                ),
            ):
                yield from _receipted(written, signed, done, _INVALID)


def _signed(payload: bytes) -> bytes:
    return sign_attached(AGENCY.central, "sealcam/1 receipt", payload)
