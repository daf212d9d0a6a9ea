"""Root, policy and enrolment: who may say what, and what an attacker cannot say."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, digest, encode
from protocol.cose import sign_attached, sign_detached
from protocol.errors import BadSignature, PeerError
from protocol.keys import SoftwareEd25519, key_id
from protocol.policy import (
    Enrolment,
    LedgerIdentity,
    Root,
    sign_enrolment,
    sign_policy,
    verify_enrolment,
    verify_policy,
)
from tests.protocol.shifts import DEVICE, UNIX_MS, entry_key
from tests.protocol.trust import AGENCY, make_agency, make_policy

KEYS = sorted((entry_key(f"root {number}") for number in range(3)), key=lambda key: key.public_key)
ROOT = Root(threshold=2, keys=tuple(key.public_key for key in KEYS))
POLICY = make_policy()


def signed(*signers: SoftwareEd25519, root: Root = ROOT) -> bytes:
    return sign_policy(POLICY, root, signers)


@pytest.mark.parametrize("signers", [KEYS[:2], KEYS[1:], [KEYS[2], KEYS[0]], KEYS])
def test_enough_root_keys_make_a_policy(signers: list[SoftwareEd25519]) -> None:
    trusted = verify_policy(signed(*signers))

    assert trusted.policy == POLICY
    assert trusted.root.fingerprint == digest("sealcam/1 root", ROOT.encoded())
    assert trusted.policy_hash == digest("sealcam/1 policy", POLICY.encoded())


@pytest.mark.parametrize("signers", [[], KEYS[:1], [entry_key("stranger"), KEYS[0]]])
def test_fewer_root_keys_than_the_threshold_do_not(signers: list[SoftwareEd25519]) -> None:
    with pytest.raises(BadSignature, match="root signatures, 2 expected"):
        verify_policy(signed(*signers))


WITNESS = entry_key("witness").public_key
LEDGER = LedgerIdentity(origin="ledger.example/city", keys=(entry_key("ledger").public_key,))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ledger": LEDGER, "witness_keys": (WITNESS, WITNESS), "witness_threshold": 1}, "named twice"),
        (
            {"ledger": LEDGER, "witness_keys": (WITNESS,), "witness_threshold": 2},
            "2 witnesses are asked for, 1 are named",
        ),
        ({"witness_keys": (WITNESS,), "witness_threshold": 1}, "no ledger is named"),
    ],
)
def test_a_policy_asks_for_no_more_witnesses_than_it_names(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_policy("agency", **changes)


def test_a_policy_names_its_ledger_and_witnesses() -> None:
    policy = make_policy(ledger=LEDGER, witness_keys=(WITNESS,), witness_threshold=1)

    assert verify_policy(sign_policy(policy, ROOT, tuple(KEYS))).policy == policy


def test_one_signature_does_not_count_twice() -> None:
    payload, root, signatures = decode(signed(KEYS[0]))
    one = next(signature for signature in signatures if signature is not None)

    with pytest.raises(BadSignature):
        verify_policy(encode([payload, root, [one, one, None]]))


def test_a_bad_signature_beside_enough_good_ones_is_refused() -> None:
    payload, root, signatures = decode(signed(*KEYS))

    with pytest.raises(BadSignature):
        verify_policy(encode([payload, root, [signatures[0], signatures[1], signatures[1]]]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda v: [*v, 0], "not an array of policy, root and signatures"),
        (lambda v: [v[0], v[1], None], "not an array of policy, root and signatures"),
        (lambda v: ["text", v[1], v[2]], "no byte string"),
        (lambda v: [v[0], v[1], v[2][:2]], "2 places for signatures of 3 root keys"),
        (lambda v: [v[0], v[1], [*v[2], None]], "4 places for signatures of 3 root keys"),
        (lambda v: [v[0], encode([0, list(ROOT.keys)]), v[2]], "threshold"),
        (lambda v: [v[0], encode([4, list(ROOT.keys)]), v[2]], "threshold 4 of 3 keys"),
        (lambda v: [v[0], encode([1, list(reversed(ROOT.keys))]), v[2]], "not distinct and sorted"),
        (lambda v: [v[0], encode([1, [ROOT.keys[0]] * 3]), v[2]], "not distinct and sorted"),
        (lambda v: [v[0], encode([1, []]), []], "keys"),
        (lambda v: [v[0], encode([1, [bytes([n]) * 32 for n in range(17)]]), [None] * 17], "keys"),
    ],
)
def test_another_form_of_a_signed_policy_is_refused(change: Callable[..., object], why: str) -> None:
    with pytest.raises(PeerError, match=why):
        verify_policy(encode(change(decode(signed(*KEYS)))))


def test_an_attacker_cannot_lower_the_threshold_under_the_same_signatures() -> None:
    """The root is not in what is signed: its fingerprint is what the reader compares, and it changes."""
    payload, _, signatures = decode(signed(KEYS[0]))
    lowered = Root(threshold=1, keys=ROOT.keys)

    trusted = verify_policy(encode([payload, lowered.encoded(), signatures]))

    assert trusted.root.fingerprint != ROOT.fingerprint


@settings(max_examples=200)
@given(st.data())
def test_every_flipped_byte_is_refused_or_changes_the_fingerprint(data: st.DataObject) -> None:
    policy = bytearray(AGENCY.signed_policy)
    policy[data.draw(st.integers(0, len(policy) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        trusted = verify_policy(bytes(policy))
    except PeerError:
        return

    assert trusted.root.fingerprint != AGENCY.root_fingerprint


def test_a_policy_that_its_root_signed_over_a_wrong_payload_is_refused() -> None:
    root = Root(threshold=1, keys=(KEYS[0].public_key,))
    payload = encode({"version": 1})
    with pytest.raises(PeerError, match="Policy"):
        verify_policy(encode([payload, root.encoded(), [sign_detached(KEYS[0], "sealcam/1 policy", payload)]]))


def enrolment(**changes: object) -> Enrolment:
    values: dict[str, object] = {
        "camera_key": DEVICE.public_key,
        "serial": "CAM-1",
        "enrolled_at_ms": UNIX_MS,
        "central_key_id": key_id(AGENCY.central.public_key),
        "policy_version": 1,
    }
    return Enrolment.model_validate(values | changes)


def test_an_enrolment_by_central_holds() -> None:
    found = verify_enrolment(sign_enrolment(enrolment(), AGENCY.central), AGENCY.policy)

    assert found.camera_key == DEVICE.public_key


def test_an_enrolment_by_another_agencys_central_is_refused() -> None:
    other = make_agency("other")
    forged = enrolment(central_key_id=key_id(other.central.public_key))

    with pytest.raises(BadSignature, match="which the policy does not"):
        verify_enrolment(sign_enrolment(forged, other.central), AGENCY.policy)


def test_an_enrolment_that_names_central_and_is_signed_by_another_is_refused() -> None:
    forged = sign_attached(entry_key("attacker"), "sealcam/1 enrolment", enrolment().encoded())

    with pytest.raises(BadSignature, match="does not fit"):
        verify_enrolment(forged, AGENCY.policy)


def test_what_central_signed_for_another_purpose_is_no_enrolment() -> None:
    forged = sign_attached(AGENCY.central, "sealcam/1 receipt", enrolment().encoded())

    with pytest.raises(BadSignature, match="does not fit"):
        verify_enrolment(forged, AGENCY.policy)


@pytest.mark.parametrize("serial", ["", "cam-1", "-CAM", "C" * 33, "CAM 1", "CAM\n"])
def test_a_serial_that_could_mislead_is_refused(serial: str) -> None:
    wire = enrolment().to_wire()
    assert isinstance(wire, dict)

    with pytest.raises(PeerError, match="serial"):
        verify_enrolment(
            sign_attached(AGENCY.central, "sealcam/1 enrolment", encode(wire | {"serial": serial})), AGENCY.policy
        )
