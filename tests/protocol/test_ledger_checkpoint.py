"""Checkpoints and offline proofs: believed under one log's keys and enough witnesses, and refused by name otherwise."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LedgerRefused
from protocol.keys import EntryKey
from protocol.ledger.add_checkpoint import AddCheckpoint
from protocol.ledger.checkpoint import Checkpoint, parse_checkpoint, parse_signed_checkpoint, verify_checkpoint
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.note import Note, NoteSignature, cosign_text
from protocol.ledger.proof import LedgerProof, format_proof, parse_proof, verify_proof
from protocol.ledger.tiles import Tile
from tests.protocol.ledger_log import (
    AT_S,
    LOG,
    ORIGIN,
    STRANGER,
    TREE,
    TRUST,
    WITNESSES,
    checkpoint_of,
    proof_of,
    signed,
)
from tests.protocol.ledger_trees import leaf_data

CHECKPOINT = checkpoint_of(77)
SIGNED = signed(CHECKPOINT, *WITNESSES)
PROOF = proof_of(33, 77)
LEAF = leaf_hash(leaf_data(33))


def fault_of(data: bytes, **changes: object) -> LedgerRefused:
    with pytest.raises(LedgerRefused) as caught:
        verify_checkpoint(data, replace(TRUST, **changes))  # type: ignore[arg-type]
    return caught.value


def test_a_checkpoint_with_all_its_witnesses_is_believed() -> None:
    verified = verify_checkpoint(SIGNED.encoded(), TRUST)

    assert verified.checkpoint == CHECKPOINT
    assert {one.witness_key: one.at_s for one in verified.cosignatures} == {
        witness.public_key: AT_S + number for number, witness in enumerate(WITNESSES)
    }
    assert verified.cosigned_at_s == AT_S + 2


def test_extension_lines_are_signed_with_the_rest() -> None:
    extended = replace(CHECKPOINT, extension=("one", "two"))
    data = signed(extended, *WITNESSES).encoded()

    assert verify_checkpoint(data, TRUST).checkpoint == extended
    assert fault_of(data.replace(b"two", b"twq")).kind == "signature"


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = signed(checkpoint_of(77, origin="ledger.example/town"), *WITNESSES)

    assert fault_of(other.encoded()).kind == "origin"


def test_a_checkpoint_that_the_log_did_not_sign_is_refused() -> None:
    forged = signed(CHECKPOINT, *WITNESSES, log=STRANGER)

    assert fault_of(forged.encoded()).kind == "log-signature"
    assert fault_of(SIGNED.encoded(), log_keys=()).kind == "log-signature"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_witnesses_are_counted_in_the_refusal(count: int) -> None:
    found = fault_of(signed(CHECKPOINT, *WITNESSES[:count], STRANGER).encoded())

    assert found.kind == "witnesses"
    assert f"cosigned by {count} of 3 trusted witnesses, 2 expected" in str(found)


def test_one_witness_under_two_names_is_one() -> None:
    twice = signed(CHECKPOINT, WITNESSES[0], WITNESSES[0])

    assert "cosigned by 1 of 3" in str(fault_of(twice.encoded()))
    assert "cosigned by 1 of 1" in str(fault_of(twice.encoded(), witness_keys=(WITNESSES[0].public_key,) * 2))


def test_the_log_is_no_witness_of_its_own() -> None:
    own = signed(CHECKPOINT, WITNESSES[0], LOG)

    assert fault_of(own.encoded(), witness_keys=(WITNESSES[0].public_key, LOG.public_key)).kind == "witnesses"


def test_a_threshold_of_none_asks_for_none() -> None:
    assert verify_checkpoint(signed(CHECKPOINT).encoded(), replace(TRUST, witness_threshold=0)).cosigned_at_s is None


def test_a_threshold_that_nobody_reaches_is_not_reached() -> None:
    assert fault_of(SIGNED.encoded(), witness_threshold=4).kind == "witnesses"


@pytest.mark.parametrize("key", [LOG, *WITNESSES])
def test_a_cosignature_of_another_checkpoint_is_refused(key: EntryKey) -> None:
    moved = cosign_text(checkpoint_of(78).text, "w", key, at_s=AT_S)
    data = SIGNED.with_signatures((moved,)).encoded()

    if key is LOG:
        assert verify_checkpoint(data, TRUST)
    else:
        assert fault_of(data).kind == "signature"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SIGNED.encoded()) - 1), st.integers(1, 255))
def test_every_flipped_byte_of_a_checkpoint_takes_something_away(at: int, mask: int) -> None:
    data = bytearray(SIGNED.encoded())
    data[at] ^= mask

    fault_of(bytes(data), witness_threshold=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n1\n",
        f"o\n1\n{'A' * 43}=",
        f"\n1\n{'A' * 43}=\n",
        f"o\n01\n{'A' * 43}=\n",
        f"o\n-1\n{'A' * 43}=\n",
        f"o\n+1\n{'A' * 43}=\n",
        f"o\n 1\n{'A' * 43}=\n",
        f"o\n1_0\n{'A' * 43}=\n",
        f"o\n\n{'A' * 43}=\n",
        f"o\n9223372036854775808\n{'A' * 43}=\n",
        f"o\n1\n{'A' * 43}\n",
        f"o\n1\n{'A' * 42}B=\n",
        f"o\n1\n{'A' * 44}\n",
        f"o\n1\n{'A' * 43}=\n\n",
        f"o\n1\n{'A' * 43}=\n\nextension\n",
    ],
)
def test_a_checkpoint_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(LedgerRefused) as caught:
        parse_checkpoint(text)
    assert caught.value.kind == "form"


@given(
    st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(st.from_regex(r"[ -~]+", fullmatch=True))
)
def test_a_checkpoint_is_found_again_as_it_was(size: int, root: bytes, extension: list[str]) -> None:
    checkpoint = Checkpoint("o", size, root, tuple(extension))

    assert parse_checkpoint(checkpoint.text) == checkpoint


def test_a_signature_that_is_there_is_not_added_twice() -> None:
    assert SIGNED.with_signatures(SIGNED.note.signatures) == SIGNED
    assert parse_signed_checkpoint(SIGNED.encoded()) == SIGNED


def test_a_proof_holds_for_its_leaf() -> None:
    found = verify_proof(parse_proof(format_proof(PROOF)), LEAF, TRUST)

    assert found.index == 33
    assert found.checkpoint.checkpoint == CHECKPOINT


def test_a_proof_has_the_form_of_the_page() -> None:
    lines = format_proof(replace(PROOF, extra=b"more")).decode().split("\n")

    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra bW9yZQ==", "index 33"]
    assert lines[3 + len(PROOF.hashes)] == ""
    assert lines[4 + len(PROOF.hashes)] == ORIGIN


@pytest.mark.parametrize("size", [1, 2, 64, 100])
def test_every_leaf_of_a_tree_has_its_proof(size: int) -> None:
    for index in range(size):
        proof = parse_proof(format_proof(proof_of(index, size)))

        assert verify_proof(proof, leaf_hash(leaf_data(index)), TRUST).index == index


@pytest.mark.parametrize(
    ("proof", "leaf", "kind"),
    [
        (PROOF, leaf_hash(leaf_data(34)), "inclusion"),
        (replace(PROOF, index=34), LEAF, "inclusion"),
        (replace(PROOF, index=77), LEAF, "inclusion"),
        (replace(PROOF, hashes=PROOF.hashes[:-1]), LEAF, "inclusion"),
        (replace(PROOF, checkpoint=signed(checkpoint_of(78), *WITNESSES).encoded()), LEAF, "inclusion"),
        (replace(PROOF, checkpoint=signed(CHECKPOINT, WITNESSES[0]).encoded()), LEAF, "witnesses"),
        (replace(PROOF, checkpoint=signed(CHECKPOINT, *WITNESSES, log=STRANGER).encoded()), LEAF, "log-signature"),
        (replace(PROOF, checkpoint=b"no note"), LEAF, "form"),
    ],
)
def test_a_proof_of_something_else_is_refused(proof: LedgerProof, leaf: bytes, kind: str) -> None:
    with pytest.raises(LedgerRefused) as caught:
        verify_proof(proof, leaf, TRUST)
    assert caught.value.kind == kind


GOOD = format_proof(PROOF)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"index 33", b"index 033"),
        GOOD.replace(b"index 33", b"index  33"),
        GOOD.replace(b"index 33\n", b""),
        GOOD.replace(b"index", b"extra \nindex"),
        GOOD.replace(b"index", b"extra YQ\nindex"),
        GOOD.replace(b"index", b"extra YQ==\nextra YQ==\nindex"),
        GOOD.replace(b"index 33\n", b"index 33\nextra YQ==\n"),
        GOOD.replace(b"index", b"extra " + b"A" * 174_768 + b"\nindex"),
        GOOD.replace(b"index 33\n", b"index 33\n" + b"A" * 43 + b"=" * 1 + b"\r\n"),
        GOOD.replace(b"index 33\n", b"index 33\n" + (b"A" * 43 + b"=\n") * 64),
        GOOD.replace(b"index 33\n", b"index 33\nAAAA\n"),
        GOOD.split(b"\n\n")[0],
        b"\n" + GOOD,
        GOOD + b"\xff",
        GOOD + b"x" * 600_000,
    ],
)
def test_a_proof_in_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(LedgerRefused) as caught:
        parse_proof(data)
    assert caught.value.kind == "form"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_every_flipped_byte_of_a_proof_is_refused(at: int, mask: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= mask

    with pytest.raises(LedgerRefused):
        verify_proof(parse_proof(bytes(data)), LEAF, replace(TRUST, witness_threshold=3))


def test_a_checkpoint_from_the_tree_has_the_trees_root() -> None:
    note = Note(CHECKPOINT.text, (NoteSignature("w", b"abcd", b"s"),))

    assert parse_signed_checkpoint(note.encoded()).checkpoint.root == TREE.roots[77]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Checkpoint("", 1, bytes(32)),
        lambda: Checkpoint("o\np", 1, bytes(32)),
        lambda: Checkpoint("o", -1, bytes(32)),
        lambda: Checkpoint("o", 2**63, bytes(32)),
        lambda: Checkpoint("o", 1, bytes(31)),
        lambda: Checkpoint("o", 1, bytes(32), ("",)),
        lambda: LedgerProof(-1, (), b""),
        lambda: LedgerProof(0, (bytes(31),), b""),
        lambda: LedgerProof(0, (bytes(32),) * 64, b""),
        lambda: LedgerProof(0, (), b"", extra=b""),
        lambda: AddCheckpoint(-1, (), SIGNED),
        lambda: AddCheckpoint(0, (bytes(33),), SIGNED),
        lambda: Note("no newline", SIGNED.note.signatures),
        lambda: Note("x\n", ()),
        lambda: NoteSignature("w", b"abc", b"s"),
        lambda: Tile(0, 0, 0),
    ],
)
def test_what_has_no_text_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises(LedgerRefused) as caught:
        make()
    assert caught.value.kind == "form"
