"""The text of every test vector, as `protocol/vectors` holds it."""

from protocol.verdict import Finding
from tests.protocol.folders import verdict_on
from tests.protocol.shifts import secret
from tests.protocol.vector_bits import Bits, bits
from tests.protocol.vector_file import written
from tests.protocol.vector_recipes import Recipe, tell
from tests.protocol.vector_scenarios import recipes


def texts() -> dict[str, str]:
    """Return the text of every vector, by file name."""
    found = {f"{recipe.name}.vector": _shift_text(recipe) for recipe in recipes()}
    found |= {f"{each.name}.vector": _bits_text(each) for each in bits()}
    return found


def line_of(finding: Finding) -> str:
    """Return a finding as a vector names it: what and where, without the words, which may become better ones."""
    return f"{finding.kind}: {finding.place.sentence()}"


def _shift_text(recipe: Recipe) -> str:
    verdict = verdict_on(recipe.folders, recipe.root)
    kinds = [finding.kind for finding in verdict.findings] or ["none"]
    assert recipe.kind in kinds, f"{recipe.name}: {recipe.kind} is not among {kinds}"
    assert recipe.expect == verdict.verdict, f"{recipe.name}: {verdict.verdict}"
    headers = [
        ("test", "shift"),
        ("expect", recipe.expect),
        ("kind", recipe.kind),
        ("comment", recipe.comment),
        ("assurance", str(verdict.assurance)),
        ("root", "not given" if recipe.root is None else recipe.root.hex()),
        *(("finding", line_of(finding)) for finding in verdict.findings),
        *_keys(),
    ]
    files = {f"{name}/{file}": data for name, folder in recipe.folders.items() for file, data in sorted(folder.items())}
    return written(headers, files)


def _keys() -> list[tuple[str, str]]:
    shift = tell()
    contents = zip(shift.recording_ids, shift.content_keys, strict=True)
    return [
        ("key-device", (int.from_bytes(secret("camera"), "big") >> 1).to_bytes(32, "big").hex()),
        ("key-root", secret("agency/root").hex()),
        ("key-central", secret("agency/central").hex()),
        ("key-vault", secret("agency/vault", 96).hex()),
        ("key-escrow", secret("agency/escrow", 96).hex()),
        *((f"key-content-{recording_id.hex()}", key.hex()) for recording_id, key in contents),
    ]


def _bits_text(each: Bits) -> str:
    headers = [
        ("test", each.test),
        ("expect", "refused"),
        ("kind", "not-canonical" if each.test == "cbor" else "bad-signature"),
        ("reason", each.reason),
        ("comment", each.comment),
        *((name, data.hex()) for name, data in each.values),
    ]
    return written(headers, {})
