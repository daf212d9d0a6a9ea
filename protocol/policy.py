"""Root, signed policy and enrolment of cameras (spec/04-trust.md, 4.1 to 4.3)."""

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from protocol.canonical import Row, Structure, decode, digest, encode, parse
from protocol.cose import Sign1, payload_of, sign_attached, sign_detached, verify_attached, verify_detached
from protocol.errors import BadSignature, PeerError
from protocol.keys import EntryKey, key_id
from protocol.units import (
    POLICY_KEYS_MAX,
    REVOKED_CAMERAS_MAX,
    ROOT_KEYS_MAX,
    DeviceKey,
    Ed25519Key,
    Extensions,
    Id,
    Int,
    LedgerOrigin,
    PersonText,
    Positive,
    SealingPublicKey,
    Serial,
    Uint,
)

_POLICY_PURPOSE: Final = "sealcam/1 policy"
_ENROLMENT_PURPOSE: Final = "sealcam/1 enrolment"

Ed25519Keys = Annotated[tuple[Ed25519Key, ...], Field(max_length=POLICY_KEYS_MAX)]
Level = Literal["stored", "locked"]


class Root(Row):
    """The offline keys that sign policies, and how many of them it takes."""

    threshold: Positive
    keys: Annotated[tuple[Ed25519Key, ...], Field(min_length=1, max_length=ROOT_KEYS_MAX)]

    @model_validator(mode="after")
    def _check(self) -> "Root":
        if self.threshold > len(self.keys):
            raise ValueError(f"threshold {self.threshold} of {len(self.keys)} keys")
        if list(self.keys) != sorted(set(self.keys)):
            raise ValueError("root keys are not distinct and sorted")
        return self

    @property
    def fingerprint(self) -> bytes:
        """Return the 32 bytes that the agency publishes and a reader compares."""
        return digest("sealcam/1 root", self.encoded())


class LedgerIdentity(Row):
    """The ledger that receipts must stand in: its name in checkpoints, and the keys that sign them."""

    origin: LedgerOrigin
    keys: Annotated[tuple[Ed25519Key, ...], Field(min_length=1, max_length=POLICY_KEYS_MAX)]


class Policy(Structure):
    """Whom devices trust, and what they ask of a receipt. ``ledger`` None: the agency keeps none, and nothing asks for it."""

    version: Positive
    agency: PersonText
    issued_at_ms: Int
    central_keys: Ed25519Keys
    dock_keys: Ed25519Keys
    vault_key: SealingPublicKey
    escrow_key: SealingPublicKey
    ledger: LedgerIdentity | None
    witness_keys: Ed25519Keys
    witness_threshold: Uint
    erase_level: Level
    revoked_cameras: Annotated[tuple[Id, ...], Field(max_length=REVOKED_CAMERAS_MAX)]
    ext: Extensions = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Policy":
        if len(set(self.witness_keys)) != len(self.witness_keys):
            raise ValueError("a witness is named twice")
        if self.witness_threshold > len(self.witness_keys):
            raise ValueError(f"{self.witness_threshold} witnesses are asked for, {len(self.witness_keys)} are named")
        if self.witness_threshold and self.ledger is None:
            raise ValueError("witnesses are asked for, and no ledger is named for them to see")
        return self

    def central_key_of(self, named: bytes) -> bytes | None:
        """Return the central key with this key id."""
        return next((key for key in self.central_keys if key_id(key) == named), None)


@dataclass(frozen=True, slots=True)
class TrustedPolicy:
    """A policy whose own root signed it. Whether that root is the agency's is for the reader to compare."""

    policy: Policy
    policy_hash: bytes
    root: Root
    signed_bytes: bytes


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """A policy with a place for each root key's signature. Those that are there are good; there may be too few."""

    policy: Policy
    root: Root
    signatures: tuple[Sign1 | None, ...]

    @property
    def signature_count(self) -> int:
        """Return how many root keys have signed."""
        return sum(signature is not None for signature in self.signatures)

    def encoded(self) -> bytes:
        """Return the bytes of the file."""
        return encode([self.policy.encoded(), self.root.encoded(), list(self.signatures)])

    def signed_by(self, key: EntryKey) -> "SignedPolicy":
        """Return it with one more signature.

        Raises:
            BadSignature: the key is none of the root's.
        """
        if key.public_key not in self.root.keys:
            raise BadSignature(f"key {key.public_key.hex()} is none of the root's {len(self.root.keys)} keys")
        place = self.root.keys.index(key.public_key)
        made = sign_detached(key, _POLICY_PURPOSE, self.policy.encoded())
        return replace(self, signatures=(*self.signatures[:place], made, *self.signatures[place + 1 :]))


def unsigned_policy(policy: Policy, root: Root) -> SignedPolicy:
    """Return a policy that nobody has signed yet."""
    return SignedPolicy(policy, root, (None,) * len(root.keys))


def sign_policy(policy: Policy, root: Root, signers: tuple[EntryKey, ...]) -> bytes:
    """Return the signed policy; of ``signers``, those who are no keys of the root sign nothing."""
    signed = unsigned_policy(policy, root)
    for signer in signers:
        if signer.public_key in root.keys:
            signed = signed.signed_by(signer)
    return signed.encoded()


def parse_signed_policy(data: bytes) -> SignedPolicy:
    """Return a policy whose signatures are all good, however few there are.

    Raises:
        PeerError: it is not canonical, malformed, or a signature in it does not hold.
    """
    section = "spec/04-trust.md, 4.2"
    value = decode(data)
    if not isinstance(value, tuple) or len(value) != 3 or not isinstance(value[2], tuple):
        raise PeerError("signed policy is not an array of policy, root and signatures", section=section)
    payload, root_bytes, signatures = value
    if not isinstance(payload, bytes) or not isinstance(root_bytes, bytes):
        raise PeerError("policy or root is no byte string", section=section)
    root = parse(Root, decode(root_bytes), section="spec/04-trust.md, 4.1")
    if len(signatures) != len(root.keys):
        raise PeerError(f"{len(signatures)} places for signatures of {len(root.keys)} root keys", section=section)
    for key, signature in zip(root.keys, signatures, strict=True):
        if signature is not None:
            verify_detached(signature, key, _POLICY_PURPOSE, payload)
    return SignedPolicy(parse(Policy, decode(payload), section=section), root, signatures)


def verify_policy(data: bytes) -> TrustedPolicy:
    """Return a policy that enough keys of its root signed.

    Raises:
        PeerError: it is not canonical, malformed, or not signed as it must be.
    """
    signed = parse_signed_policy(data)
    if signed.signature_count < signed.root.threshold:
        raise BadSignature(f"policy has {signed.signature_count} root signatures, {signed.root.threshold} expected")
    return TrustedPolicy(signed.policy, digest(_POLICY_PURPOSE, signed.policy.encoded()), signed.root, data)


class Enrolment(Structure):
    """The agency's word that it knows a camera."""

    camera_key: DeviceKey
    serial: Serial
    enrolled_at_ms: Int
    central_key_id: Id
    policy_version: Positive
    ext: Extensions = Field(default_factory=dict)


def sign_enrolment(enrolment: Enrolment, central: EntryKey) -> bytes:
    """Return the enrolment signed by the central key that it names."""
    assert enrolment.central_key_id == key_id(central.public_key)
    return sign_attached(central, _ENROLMENT_PURPOSE, enrolment.encoded())


def verify_enrolment(data: bytes, policy: Policy) -> Enrolment:
    """Return an enrolment that a central key of ``policy`` signed. Revocation is looked at elsewhere.

    Raises:
        PeerError: malformed, or not signed by a central key of this policy.
    """
    section = "spec/04-trust.md, 4.3"
    sign1 = decode(data)
    enrolment = parse(Enrolment, decode(payload_of(sign1)), section=section)
    central_key = policy.central_key_of(enrolment.central_key_id)
    if central_key is None:
        raise BadSignature(f"enrolment names central key {enrolment.central_key_id.hex()}, which the policy does not")
    verify_attached(sign1, central_key, _ENROLMENT_PURPOSE)
    return enrolment
