"""Trees, proofs, tiles and notes as others see them: pymerkle, and the packages behind Go's checksum database."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymerkle import InmemoryTree, InvalidProof

from protocol.ledger.checkpoint import Checkpoint, sign_checkpoint
from protocol.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    verify_inclusion,
)
from protocol.ledger.note import (
    COSIGNATURE_TYPE,
    ED25519_TYPE,
    Note,
    VerifierKey,
    cosign_text,
    note_key_id,
    parse_note,
    sign_text,
)
from protocol.ledger.text import format_base64
from protocol.ledger.tiles import Tile, new_tiles, tiles_of
from tests.protocol.ledger_go import GoPeer
from tests.protocol.ledger_log import AT_S, LOG, ORIGIN, STRANGER, WITNESSES, checkpoint_of, signed
from tests.protocol.ledger_trees import MemoryTree, leaf_data
from tests.protocol.shifts import secret

SIZE_MAX = 600
TREE = MemoryTree(SIZE_MAX)
LARGE = MemoryTree(70_000)
Question = dict[str, Any]


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> GoPeer:
    folder: Path = tmp_path_factory.mktemp("go")
    return GoPeer(folder)


@pytest.fixture(scope="session")
def merkle() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for number in range(SIZE_MAX):
        tree.append_entry(leaf_data(number))
    return tree


def drawn(count: int) -> list[tuple[int, int, int]]:
    """Return sizes, each with a leaf and a smaller size of at least 1: those around powers of two, and others by chance."""
    random = Random(62)
    sizes = [1, 2, 3, 255, 256, 257, 511, 512, 513, *(random.randint(1, SIZE_MAX) for _ in range(count))]
    return [(size, random.randrange(size), random.randint(1, size)) for size in sizes]


def test_roots_are_those_of_pymerkle(merkle: InmemoryTree) -> None:
    assert [merkle.get_root(size) for size in range(SIZE_MAX + 1)] == TREE.roots


def test_inclusion_proofs_are_those_of_pymerkle(merkle: InmemoryTree) -> None:
    for size, index, _ in drawn(300):
        leaf, *siblings = merkle.prove_inclusion(index + 1, size).path

        assert siblings == list(inclusion_proof(index, size, TREE.read))
        verify_inclusion(leaf, index, size, siblings, merkle.get_root(size))


def test_the_consistency_proofs_of_pymerkle_hold_between_our_roots(merkle: InmemoryTree) -> None:
    # Its proofs are cut otherwise than RFC 6962's, so that they are not ours; Go judges ours below.
    for size, _, old in drawn(300):
        proof = merkle.prove_consistency(old, size)
        proof.verify(TREE.roots[old], TREE.roots[size], prior_size=old, later_size=size)

        with pytest.raises(InvalidProof):
            proof.verify(TREE.roots[old], TREE.roots[size - 1], prior_size=old, later_size=size)


def test_roots_are_those_of_go(go: GoPeer) -> None:
    (answer,) = go.ask([{"Kind": "tree", "Leaves": [leaf_data(number) for number in range(SIZE_MAX)]}])

    assert list(answer.hashes) == TREE.roots[1:]


def inclusion(size: int, index: int) -> Question:
    proof = list(inclusion_proof(index, size, TREE.read))
    return {
        "Kind": "inclusion",
        "Proof": proof,
        "Size": size,
        "Root": TREE.roots[size],
        "Index": index,
        "Leaf": TREE.hashes[0, index],
    }


def consistency(size: int, old: int) -> Question:
    proof = list(consistency_proof(old, size, TREE.read))
    roots = {"Root": TREE.roots[size], "OldRoot": TREE.roots[old]}
    return {"Kind": "consistency", "Proof": proof, "Size": size, "Old": old, **roots}


def test_go_accepts_our_proofs_and_refuses_them_changed(go: GoPeer) -> None:
    good = [inclusion(size, index) for size, index, _ in drawn(200)]
    good += [consistency(size, old) for size, _, old in drawn(200)]
    bad = [question | {"Proof": [*question["Proof"], EMPTY_ROOT]} for question in good]
    bad += [question | {"Proof": question["Proof"][:-1]} for question in good if question["Proof"]]
    bad += [question | {"Root": EMPTY_ROOT} for question in good]

    assert {answer.error for answer in go.ask(good)} == {""}
    assert all(answer.error for answer in go.ask(bad))


def tile_bytes(tile: Tile) -> bytes:
    return b"".join(LARGE.hashes[8 * tile.level, tile.index * 256 + number] for number in range(tile.width))


def test_a_tree_consists_of_the_tiles_that_go_says(go: GoPeer) -> None:
    random = Random(63)
    sizes = [(0, 1), (0, 255), (0, 256), (255, 256), (256, 257), (0, 65_536), (65_535, 65_537), (0, 70_000)]
    sizes += [tuple(sorted((random.randrange(10**6), random.randrange(10**6)))) for _ in range(20)]  # type: ignore[misc]
    answers = go.ask([{"Kind": "tile-paths", "Old": old, "Size": new} for old, new in sizes])

    for (old, new), answer in zip(sizes, answers, strict=True):
        # Go lists a partial tile in every width on the way, the last one behind the others, and one that did not change.
        widest = {path.split(".p/")[0]: path for path in answer.paths}
        had = {tile.path for tile in tiles_of(old)}
        assert [tile.path for tile in new_tiles(old, new)] == [path for path in widest.values() if path not in had]


def test_go_makes_the_same_proofs_from_our_tiles(go: GoPeer) -> None:
    cases = [(70_000, 0, 1), (70_000, 69_999, 69_999), (70_000, 65_536, 65_536), (65_536, 300, 257), (257, 256, 256)]
    tree = {size: {tile.path: tile_bytes(tile) for tile in tiles_of(size)} for size in {case[0] for case in cases}}
    questions: list[Question] = []
    for size, index, old in cases:
        common = {"Size": size, "Root": LARGE.roots[size], "Tiles": tree[size]}
        questions.append({"Kind": "prove-record", "Index": index, **common})
        questions.append({"Kind": "prove-tree", "Old": old, **common})

    answers = iter(go.ask(questions))

    for size, index, old in cases:
        for ours in (inclusion_proof(index, size, LARGE.read), consistency_proof(old, size, LARGE.read)):
            answer = next(answers)
            assert (answer.error, answer.hashes) == ("", ours)


def opened_by(note: bytes, *, log: str = ORIGIN) -> Question:
    witnesses = [
        {
            "Witness": f"witness.example/w{number}",
            "Hash": int.from_bytes(
                note_key_id(f"witness.example/w{number}", COSIGNATURE_TYPE, witness.public_key), "big"
            ),
            "Key": witness.public_key,
        }
        for number, witness in enumerate(WITNESSES)
    ]
    keys = [VerifierKey(log, ED25519_TYPE, LOG.public_key).text]
    return {"Kind": "open", "Note": note, "Keys": keys, "Witnesses": witnesses}


def test_go_opens_our_checkpoints_with_all_their_signatures(go: GoPeer) -> None:
    notes = [signed(checkpoint_of(size, tree=TREE), *WITNESSES) for size, _, _ in drawn(100)]

    for note, answer in zip(notes, go.ask([opened_by(note.encoded()) for note in notes]), strict=True):
        assert answer.error == ""
        assert answer.text == note.checkpoint.text
        assert answer.names == (ORIGIN, *(f"witness.example/w{number}" for number in range(3)))


def test_go_refuses_what_we_refuse(go: GoPeer) -> None:
    whole = signed(checkpoint_of(77), *WITNESSES).encoded()
    line = sign_text("x\n", "w", STRANGER).line.encode()
    bad = [
        whole[:-1],
        whole + b"\n",
        whole.replace(b"\n\n", b"\n"),
        whole.replace("\u2014".encode(), b"-"),
        b"x\n\n" + line,
    ]
    bad += [whole.replace(b"77", b"78"), whole.replace(b" witness", b"  witness"), whole.replace(b"\n77", b"\r\n77")]

    assert all(answer.error for answer in go.ask([opened_by(one) for one in bad]))


def test_our_notes_are_byte_for_byte_those_that_go_signs(go: GoPeer) -> None:
    seed = secret("ledger/log")
    texts = ["one\n", "one\n\ntwo\n", "Grüße\n", checkpoint_of(77).text]
    key_id = note_key_id(ORIGIN, ED25519_TYPE, LOG.public_key).hex()
    encoded = format_base64(bytes([ED25519_TYPE]) + seed)
    signer = f"PRIVATE+KEY+{ORIGIN}+{key_id}+{encoded}"

    answers = go.ask([{"Kind": "sign", "Signer": signer, "Text": text} for text in texts])

    for text, answer in zip(texts, answers, strict=True):
        ours = Note(text, (sign_text(text, ORIGIN, LOG),))
        assert (answer.error, answer.data) == ("", ours.encoded())
        assert parse_note(answer.data) == ours


def test_go_reads_size_and_root_of_our_checkpoints(go: GoPeer) -> None:
    # Its parser knows one origin.
    origin = "go.sum database tree"
    checkpoints = [Checkpoint(origin, size, TREE.roots[size]) for size in (0, 1, 77, SIZE_MAX)]

    answers = go.ask([{"Kind": "parse-tree", "Text": one.text} for one in checkpoints])

    assert [(one.error, one.size, one.data) for one in answers] == [("", one.size, one.root) for one in checkpoints]


def test_a_cosignature_is_no_signature_of_the_log_to_go(go: GoPeer) -> None:
    text = checkpoint_of(77).text
    cosigned = Note(text, (cosign_text(text, ORIGIN, LOG, at_s=AT_S),))

    (answer,) = go.ask([opened_by(cosigned.encoded())])

    assert "no verifiable signatures" in answer.error
    assert sign_checkpoint(checkpoint_of(77), LOG).note.text == text
