"""The next policy, before its root has signed it: what it has otherwise than the one before (spec/04-trust.md, 4.2). Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protocol.policy import Level, Policy, SignedPolicy, TrustedPolicy, unsigned_policy


@dataclass(frozen=True, slots=True)
class Changes:
    """What the next policy has otherwise than the one before."""

    add_central_keys: tuple[bytes, ...] = ()
    remove_central_keys: tuple[bytes, ...] = ()
    add_dock_keys: tuple[bytes, ...] = ()
    remove_dock_keys: tuple[bytes, ...] = ()
    add_witness_keys: tuple[bytes, ...] = ()
    remove_witness_keys: tuple[bytes, ...] = ()
    witness_threshold: int | None = None
    revoke_cameras: tuple[bytes, ...] = ()
    restore_cameras: tuple[bytes, ...] = ()
    erase_level: Level | None = None


def next_draft(before: TrustedPolicy, changes: Changes, *, now_ms: int) -> SignedPolicy:
    """Return the next version, which nobody has signed yet.

    Raises:
        ValueError: what is to be removed is not there, what is to be added is, or the policy would contradict itself.
    """
    old = before.policy
    threshold = old.witness_threshold if changes.witness_threshold is None else changes.witness_threshold
    values = {name: getattr(old, name) for name in Policy.model_fields} | {
        "version": old.version + 1,
        "issued_at_ms": now_ms,
        "central_keys": _changed(
            "central key", old.central_keys, changes.add_central_keys, changes.remove_central_keys
        ),
        "dock_keys": _changed("dock key", old.dock_keys, changes.add_dock_keys, changes.remove_dock_keys),
        "witness_keys": _changed(
            "witness key", old.witness_keys, changes.add_witness_keys, changes.remove_witness_keys
        ),
        "witness_threshold": threshold,
        "revoked_cameras": _changed(
            "revoked camera", old.revoked_cameras, changes.revoke_cameras, changes.restore_cameras
        ),
        "erase_level": changes.erase_level or old.erase_level,
    }
    return unsigned_policy(Policy.model_validate(values), before.root)


def _changed(what: str, old: tuple[bytes, ...], add: tuple[bytes, ...], remove: tuple[bytes, ...]) -> tuple[bytes, ...]:
    for item in remove:
        if item not in old:
            raise ValueError(f"{what} {item.hex()} is not in the policy, so it cannot be taken out")
    for item in add:
        if item in old:
            raise ValueError(f"{what} {item.hex()} is in the policy already")
    return tuple(item for item in (*old, *dict.fromkeys(add)) if item not in remove)


def differences(before: Policy, after: Policy) -> Iterator[str]:
    """Say in words what ``after`` has otherwise; whoever signs reads this first."""
    for field, what in (
        ("central_keys", "central key"),
        ("dock_keys", "dock key"),
        ("witness_keys", "witness key"),
        ("revoked_cameras", "revoked camera"),
    ):
        old, new = getattr(before, field), getattr(after, field)
        yield from _sentences(f"adds {what}", (item for item in new if item not in old))
        yield from _sentences(f"removes {what}", (item for item in old if item not in new))
    for field in ("agency", "witness_threshold", "erase_level"):
        if getattr(before, field) != getattr(after, field):
            yield f"{field.replace('_', ' ')}: {getattr(before, field)} becomes {getattr(after, field)}"
    for field in ("vault_key", "escrow_key", "ledger", "ext"):
        if getattr(before, field) != getattr(after, field):
            yield f"{field.replace('_', ' ')} is another one"


def _sentences(words: str, items: Iterable[bytes]) -> Iterator[str]:
    yield from (f"{words} {item.hex()}" for item in items)
