"""A witness's decision: one row of the page's table each, and a log that cannot go back under any sequence of requests."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LedgerRefused
from protocol.ledger.add_checkpoint import (
    CHECKS,
    HTTP_STATUS,
    SIZE_CONTENT_TYPE,
    AddCheckpoint,
    Outcome,
    TreeHead,
    decide,
    format_add_checkpoint,
    parse_add_checkpoint,
    parse_known_size,
)
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint
from protocol.ledger.merkle import EMPTY_ROOT, consistency_proof
from protocol.ledger.note import Note, NoteSignature
from tests.protocol.ledger_log import LOG, STRANGER, TREE, checkpoint_of, signed
from tests.protocol.ledger_trees import MemoryTree, leaf_data

KEYS = (LOG.public_key,)
# The example of c2sp.org/tlog-witness.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()


def head(size: int, tree: MemoryTree = TREE) -> TreeHead:
    return TreeHead(size, tree.roots[size])


def request(old: int, new: int, tree: MemoryTree = TREE) -> AddCheckpoint:
    return AddCheckpoint(old, consistency_proof(min(old, new), new, tree.read), signed(checkpoint_of(new, tree=tree)))


def with_checkpoint(checkpoint: Checkpoint, old: int = 0) -> AddCheckpoint:
    return AddCheckpoint(old, (), signed(checkpoint))


def fork() -> MemoryTree:
    other = MemoryTree(40)
    other.append(b"another leaf 40")
    for number in range(41, 100):
        other.append(leaf_data(number))
    return other


FORK = fork()
GOOD = request(40, 77)
BROKEN_LINE = NoteSignature(GOOD.signed.note.signatures[0].name, GOOD.signed.note.signatures[0].key_id, bytes(64))


def broken(also_good: bool) -> AddCheckpoint:
    lines = (*GOOD.signed.note.signatures, BROKEN_LINE) if also_good else (BROKEN_LINE,)
    return replace(GOOD, signed=SignedCheckpoint(GOOD.signed.checkpoint, Note(GOOD.signed.note.text, lines)))


@pytest.mark.parametrize(
    ("asked", "known", "status"),
    [
        (request(0, 1), None, 200),
        (request(0, 77), None, 200),
        (request(0, 0), None, 200),
        (GOOD, head(40), 200),
        (request(64, 100), head(64), 200),
        (request(77, 77), head(77), 200),
        (replace(GOOD, signed=signed(checkpoint_of(77), log=STRANGER)), head(40), 403),
        (broken(also_good=False), head(40), 403),
        (broken(also_good=True), head(40), 403),
        (request(78, 77), head(78), 400),
        (request(78, 77), head(40), 400),
        (GOOD, None, 409),
        (GOOD, head(41), 409),
        (GOOD, head(77), 409),
        (request(0, 77), head(40), 409),
        (with_checkpoint(Checkpoint("ledger.example/city", 0, bytes(32))), None, 422),
        (replace(request(0, 77), proof=(EMPTY_ROOT,)), None, 422),
        (replace(GOOD, proof=()), head(40), 422),
        (replace(GOOD, proof=GOOD.proof[:-1]), head(40), 422),
        (replace(GOOD, proof=(*GOOD.proof, EMPTY_ROOT)), head(40), 422),
        (request(50, 77, FORK), head(50), 422),
        (request(77, 77, FORK), head(77), 422),
        (replace(request(77, 77), proof=(EMPTY_ROOT,)), head(77), 422),
    ],
)
def test_each_request_has_its_answer(asked: AddCheckpoint, known: TreeHead | None, status: int) -> None:
    found = decide(parse_add_checkpoint(format_add_checkpoint(asked)), KEYS, known)

    assert found.status == status
    if status == 200:
        assert found.head == TreeHead(asked.signed.checkpoint.size, asked.signed.checkpoint.root)
    else:
        assert found.head == (known or TreeHead(0, EMPTY_ROOT))


def test_a_log_that_is_not_known_is_not_found() -> None:
    assert decide(GOOD, (), head(40)).status == 404


def test_a_conflict_names_the_size_to_go_on_from() -> None:
    content_type, body = decide(request(0, 77), KEYS, head(40)).refusal_body

    assert (content_type, body) == (SIZE_CONTENT_TYPE, b"40\n")
    assert parse_known_size(body) == 40


@pytest.mark.parametrize("body", [b"", b"40", b"40\n\n", b"040\n", b"-1\n", b"4" * 40 + b"\n", b"x\n"])
def test_a_conflict_in_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(LedgerRefused):
        parse_known_size(body)


def test_other_refusals_say_why() -> None:
    content_type, body = decide(request(77, 77, FORK), KEYS, head(77)).refusal_body

    assert content_type == "text/plain; charset=utf-8"
    assert body.startswith(b"consistency proof: 77 leaves with root")


def test_every_outcome_has_a_status_and_a_way_to_it() -> None:
    assert HTTP_STATUS.keys() == set(Outcome)
    assert {outcome for _, outcome in CHECKS} | {Outcome.COSIGN} == set(Outcome)


def test_the_example_of_the_page_is_read_and_written() -> None:
    found = parse_add_checkpoint(EXAMPLE)

    assert (found.old_size, len(found.proof), found.signed.checkpoint.size) == (20852014, 4, 20852163)
    assert format_add_checkpoint(found) == EXAMPLE


BODY = format_add_checkpoint(GOOD)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY.replace(b"old 40", b"old 040"),
        BODY.replace(b"old 40", b"old  40"),
        BODY.replace(b"old 40", b"size 40"),
        BODY.replace(b"old 40", b"old -1"),
        BODY.replace(b"old 40", b"old 9223372036854775808"),
        BODY.replace(b"old 40\n", b""),
        BODY.replace(b"old 40\n", b"old 40\nAAAA\n"),
        BODY.replace(b"old 40\n", b"old 40\n" + (b"A" * 43 + b"=\n") * 64),
        BODY.replace(b"old 40\n", b"old 40\r\n"),
        BODY.split(b"\n\n")[0] + b"\n\n",
        BODY.split(b"\n\n")[0],
        BODY + b"\n",
        BODY + b"\xff",
        BODY + b"x" * 300_000,
    ],
)
def test_a_body_in_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(LedgerRefused) as caught:
        parse_add_checkpoint(body)
    assert caught.value.kind == "form"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), max_size=30))
def test_a_log_never_goes_back_and_never_forks(steps: list[tuple[int, int, bool]]) -> None:
    known: TreeHead | None = None
    cosigned: list[TreeHead] = []
    for first, second, is_fork in steps:
        tree = FORK if is_fork else TREE
        # Half of the requests begin where the witness stands, as an honest log's do.
        old = known.size if known is not None and first % 2 else min(first, second)
        found = decide(request(old, max(second, old), tree), KEYS, known)
        if found.outcome is Outcome.COSIGN:
            known = found.head
            cosigned.append(known)

    assert [one.size for one in cosigned] == sorted(one.size for one in cosigned)
    # Up to 40 leaves both trees are one; behind that only one of them was ever cosigned.
    roots = {one.root for one in cosigned}
    assert roots <= set(TREE.roots) or roots <= set(FORK.roots)
