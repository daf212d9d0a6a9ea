"""`policy new | show | sign | publish`: the next policy, from a draft by way of the offline root keys to the machines that pin it.

A draft is a file that travels: made at central, signed on the machine where a root key is kept, once for each key, and published when
enough have signed. Nothing is published that an earlier version, another root or too few signatures would make.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dockd.central.adapters.private_files import read_private, replace, write_new
from dockd.central.adapters.settings_file import read_public
from dockd.central.core.policy_draft import Changes, differences, next_draft
from dockd.central.errors import SettingsFault
from protocol.errors import BadSignature, PeerError
from protocol.keys import SoftwareEd25519
from protocol.policy import Policy, SignedPolicy, TrustedPolicy, parse_signed_policy, verify_policy
from protocol.units import CBOR_SIZE_BYTES_MAX

_SEED_SIZE_BYTES: Final = 32
_POLICY_FILE: Final = "policy/policy"


def policy_new(agency: Path, out: Path, changes: Changes, *, now_ms: int) -> int:
    """Write a draft of the version after the agency's present one."""
    before = _trusted(agency / _POLICY_FILE)
    try:
        draft = next_draft(before, changes, now_ms=now_ms)
    except ValueError as error:
        raise SettingsFault(
            f"this policy cannot be: {_reason(error)}",
            expected="changes that fit the present policy",
            next_step=f"look at it: sealcam-central policy show {agency / _POLICY_FILE}",
        ) from error
    write_new(out, draft.encoded(), mode=0o644)
    _print_changes(before.policy, draft.policy)
    print(f"{out}: nobody has signed it yet; {draft.root.threshold} of {len(draft.root.keys)} root keys must")
    print(f"Now, where a root key is kept: sealcam-central policy sign {out.name} --key root-1.key")
    return 0


def policy_show(file: Path, *, against: Path | None) -> int:
    """Say what a policy or a draft says, and who has signed it."""
    signed = _signed(file)
    policy = signed.policy
    print(f"policy version {policy.version} of {policy.agency}, root {signed.root.fingerprint.hex()}")
    print(f"signed by {signed.signature_count} of {len(signed.root.keys)} root keys, {signed.root.threshold} needed")
    for words, keys in (
        ("central key", policy.central_keys),
        ("dock key", policy.dock_keys),
        ("witness key", policy.witness_keys),
        ("revoked camera", policy.revoked_cameras),
    ):
        for key in keys:
            print(f"  {words:15} {key.hex()}")
    ledger = "none" if policy.ledger is None else policy.ledger.origin
    print(f"  ledger          {ledger}; {policy.witness_threshold} of {len(policy.witness_keys)} witnesses must cosign")
    print(f"  erases behind   receipts that say {policy.erase_level}")
    if against is not None:
        _print_changes(_signed(against).policy, policy)
    return 0


def policy_sign(file: Path, *, key_file: Path, against: Path | None) -> int:
    """Add one root key's signature to a draft, in place."""
    signed = _signed(file)
    key = SoftwareEd25519(read_private(key_file, what="root key", size_bytes=_SEED_SIZE_BYTES))
    if against is not None:
        _print_changes(_signed(against).policy, signed.policy)
    try:
        signed = signed.signed_by(key)
    except BadSignature as error:
        raise SettingsFault(
            f"{key_file} cannot sign {file} ({error})",
            expected="a key of the root that the draft names",
            next_step="take the key from the safe again",
        ) from error
    replace(file, signed.encoded())
    left = signed.root.threshold - signed.signature_count
    print(f"{file}: version {signed.policy.version}, signed by {signed.signature_count} of {len(signed.root.keys)}")
    print(f"{left} more must sign" if left > 0 else "Now: sealcam-central policy publish AGENCY " + file.name)
    return 0


def policy_publish(agency: Path, file: Path) -> int:
    """Put a policy that enough have signed in every place of the agency's folder that holds one; all or, cut short, again."""
    before, after = _trusted(agency / _POLICY_FILE), _trusted(file)
    if after.root.fingerprint != before.root.fingerprint:
        raise SettingsFault(
            f"{file} is of root {after.root.fingerprint.hex()}",
            expected=f"root {before.root.fingerprint.hex()}, which every device pins",
            next_step="find out who made it before anything else",
        )
    is_same = after.signed_bytes == before.signed_bytes
    if after.policy.version <= before.policy.version and not is_same:
        raise SettingsFault(
            f"{file} is version {after.policy.version}, and version {before.policy.version} is published",
            expected="a later one: a version never falls, and none is published twice",
            next_step="make a new draft: sealcam-central policy new",
        )
    _print_changes(before.policy, after.policy)
    # The agency's own copy goes last: after a crash the same command finds the rest undone.
    places = [*_places(agency), agency / _POLICY_FILE]
    for place in places:
        replace(place, after.signed_bytes)
    print(f"policy version {after.policy.version} stands in {len(places)} places below {agency}")
    print(
        "Now copy each dock's and each camera's to it, and start vault, ingest and docks again: they read it when they start."
    )
    return 0


def _places(agency: Path) -> Iterator[Path]:
    yield agency / "central/policy"
    for kind in ("docks", "cameras"):
        yield from sorted(path for path in (agency / kind).glob("*/policy") if path.is_file())


def _print_changes(before: Policy, after: Policy) -> None:
    changes = list(differences(before, after))
    print(f"version {after.version} against version {before.version}: {len(changes) or 'no'} changes")
    for sentence in changes:
        print(f"  {sentence}")


def _reason(error: ValueError) -> str:
    # pydantic's own sentence goes over several lines; the model's words stand in the last but one.
    text = str(error)
    return text.split("Value error, ", 1)[1].split(" [type=", 1)[0] if "Value error, " in text else text


def _signed(file: Path) -> SignedPolicy:
    try:
        return parse_signed_policy(read_public(file, what="policy", size_bytes_max=CBOR_SIZE_BYTES_MAX))
    except PeerError as error:
        raise _unusable(file, error) from error


def _trusted(file: Path) -> TrustedPolicy:
    try:
        return verify_policy(read_public(file, what="policy", size_bytes_max=CBOR_SIZE_BYTES_MAX))
    except PeerError as error:
        raise _unusable(file, error) from error


def _unusable(file: Path, error: PeerError) -> SettingsFault:
    return SettingsFault(
        f"{file} does not hold ({error})",
        expected="a policy, or a draft of one, as sealcam-central made it",
        next_step="have the missing root keys sign it, or copy it again from where it was made",
    )
