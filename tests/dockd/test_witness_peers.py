"""What a witness answers, as Go's checksum database reads notes; and a checkpoint that Go signed, as the witness takes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.central.core.witness import origin_hash
from protocol.ledger.note import COSIGNATURE_TYPE, ED25519_TYPE, VerifierKey, note_key_id
from protocol.ledger.text import format_base64
from tests.dockd.witnesses import KEY, NAME, World, ask, cosigned_at_s, get, request_bytes, serving
from tests.protocol.ledger_go import Answer, GoPeer
from tests.protocol.ledger_log import AT_S, LOG, ORIGIN, checkpoint_of
from tests.protocol.shifts import secret

WITNESS_ID = int.from_bytes(note_key_id(NAME, COSIGNATURE_TYPE, KEY.public_key), "big")


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> GoPeer:
    folder: Path = tmp_path_factory.mktemp("go")
    return GoPeer(folder)


@pytest.fixture
def port() -> Iterator[int]:
    with serving(World().start()) as served:
        yield served


def opened(go: GoPeer, note: bytes) -> Answer:
    """Return what Go makes of a note, knowing the log's key and the witness's."""
    question = {
        "Kind": "open",
        "Note": note,
        "Keys": [VerifierKey(ORIGIN, ED25519_TYPE, LOG.public_key).text],
        "Witnesses": [{"Witness": NAME, "Hash": WITNESS_ID, "Key": KEY.public_key}],
    }
    return go.ask([question])[0]


def test_go_opens_the_checkpoint_with_the_line_that_the_witness_answered(go: GoPeer, port: int) -> None:
    body = request_bytes(0, 77)

    line = ask(port, body).body

    assert opened(go, body.split(b"\n\n", 1)[1] + line).names == (ORIGIN, NAME)
    served = opened(go, get(port, f"/{origin_hash(ORIGIN)}/checkpoint").body)
    assert (served.error, served.text, served.names) == ("", checkpoint_of(77).text, (ORIGIN, NAME))


def test_go_refuses_the_line_under_another_tree(go: GoPeer, port: int) -> None:
    line = ask(port, request_bytes(0, 77)).body
    other = request_bytes(0, 78).split(b"\n\n", 1)[1]

    assert opened(go, other + line).error != ""


def test_the_witness_cosigns_a_checkpoint_that_go_signed(go: GoPeer, port: int) -> None:
    key_id = note_key_id(ORIGIN, ED25519_TYPE, LOG.public_key).hex()
    signer = f"PRIVATE+KEY+{ORIGIN}+{key_id}+{format_base64(bytes([ED25519_TYPE]) + secret('ledger/log'))}"
    (made,) = go.ask([{"Kind": "sign", "Signer": signer, "Text": checkpoint_of(40).text}])

    reply = ask(port, b"old 0\n\n" + made.data)

    assert (reply.status, cosigned_at_s(reply.body, 40)) == (200, AT_S)
