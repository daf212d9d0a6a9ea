"""The vectors hold as they stand in their files, read by nothing but the page that describes them; and they are made anew alike."""

from pathlib import Path

import pytest

from protocol.canonical import decode
from protocol.entries import Chunk
from protocol.errors import BadSignature, NotCanonical
from protocol.keybox import SealingKey
from protocol.keys import verify_ed25519, verify_p256
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.sealing import PartSealer
from protocol.verdict import CLASS_OF_KIND
from protocol.verify.chain import verify_chain
from tests.protocol.folders import Folder, kinds_of, verdict_on
from tests.protocol.vector_file import VECTORS, Vector, read_vector
from tests.protocol.vector_recipes import new_key_boxes, pinned_key_boxes
from tests.protocol.vector_text import line_of, texts

FILES = sorted(VECTORS.glob("*.vector"))
PARSED = {path.stem: read_vector(path.read_text()) for path in FILES}
SHIFTS = [name for name, vector in PARSED.items() if vector.one("test") == "shift"]
BITS = [name for name in PARSED if name not in SHIFTS]


def folders_of(vector: Vector) -> dict[str, Folder]:
    folders: dict[str, Folder] = {}
    for path, data in vector.files.items():
        folder, name = path.split("/")
        folders.setdefault(folder, {})[name] = data
    return folders


@pytest.mark.parametrize("name", SHIFTS)
def test_a_vector_of_a_shift_gets_the_verdict_that_it_names(name: str) -> None:
    vector = PARSED[name]
    root = vector.one("root")

    verdict = verdict_on(folders_of(vector), None if root == "not given" else bytes.fromhex(root))

    assert verdict.verdict == vector.one("expect")
    assert [line_of(finding) for finding in verdict.findings] == vector.all("finding")
    assert str(verdict.assurance) == vector.one("assurance")
    assert vector.one("kind") in (kinds_of(verdict) or ["none"])


@pytest.mark.parametrize("name", BITS)
def test_a_vector_of_bytes_is_refused_for_the_reason_that_it_names(name: str) -> None:
    vector = PARSED[name]
    assert vector.one("expect") == "refused"

    if vector.one("test") == "cbor":
        with pytest.raises(NotCanonical, match=vector.one("reason")):
            decode(bytes.fromhex(vector.one("bytes")))
        return
    verify = {"ed25519": verify_ed25519, "p256": verify_p256}[vector.one("test")]
    values = [bytes.fromhex(vector.one(key)) for key in ("public-key", "message", "signature")]
    with pytest.raises(BadSignature, match=vector.one("reason")):
        verify(*values)


def test_every_kind_of_finding_has_a_vector_that_is_about_it() -> None:
    assert {PARSED[name].one("kind") for name in SHIFTS} >= set(CLASS_OF_KIND)


def test_the_files_are_made_anew_without_a_difference() -> None:
    assert {path.name: path.read_text() for path in FILES} == texts()


def test_the_key_boxes_are_pinned_for_just_the_recordings_of_the_vectors() -> None:
    """Drawing them anew gives other bytes for the same recordings."""
    drawn = dict(line.split() for line in new_key_boxes().splitlines())

    assert drawn.keys() == pinned_key_boxes().keys()
    assert all(bytes.fromhex(drawn[name]) != data for name, data in pinned_key_boxes().items())


def test_the_whole_vector_opens_with_the_keys_that_it_names() -> None:
    vector = PARSED["whole"]
    ((name, folder),) = folders_of(vector).items()
    report = verify_chain(folder[CHAIN_NAME])
    assert report is not None
    for view in report.recordings:
        assert view.opened is not None
        content_key = bytes.fromhex(vector.one(f"key-content-{view.recording_id.hex()}"))
        box = folder[key_box_name(view.recording_id)]
        commitment = view.opened.content_key_commitment
        for role in ("vault", "escrow"):
            key = SealingKey(bytes.fromhex(vector.one(f"key-{role}")))
            assert key.open_key_box(box, role=role, commitment=commitment) == content_key
        sealer = PartSealer(shift_id=report.shift_id, recording_id=view.recording_id, content_key=content_key)
        media = folder[media_name(view.recording_id, 0)]
        opened = [open_part(sealer, chunk.chunk, media) for chunk in view.chunks]
        assert [texts[0].startswith(b"init of chunk 0") for texts in opened] == [True, *[False] * (len(opened) - 1)]
    assert name.endswith(report.shift_id.hex())


def open_part(sealer: PartSealer, chunk: Chunk, media: bytes) -> list[bytes]:
    opened, at = [], chunk.offset_bytes
    for part in chunk.parts:
        opened.append(sealer.open(chunk.index, part, media[at : at + part.size_bytes]))
        at += part.size_bytes
    return opened


def test_the_page_that_describes_them_names_every_header() -> None:
    page = (VECTORS / "README.md").read_text()
    headers = {name for vector in PARSED.values() for name, _ in vector.headers}

    missing = [
        name for name in headers if f"`{'key-content-' if name.startswith('key-content-') else name}" not in page
    ]
    assert missing == []
    assert Path(VECTORS / "inputs" / "key-boxes.txt").exists()
