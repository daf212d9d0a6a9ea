"""The vault's process: the one that holds the private key, asked over its socket."""

import grp
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from dockd.central.adapters.vault_client import VaultClient
from dockd.central.adapters.vault_wire import address_of, receive, send
from dockd.central.core.vault_messages import CheckRequest, Refused, parse_reply
from dockd.central.errors import VaultAway, VaultRefused
from protocol.canonical import encode
from protocol.keybox import make_key_box
from protocol.keys import key_id
from protocol.sealing import content_key_commitment
from tests.builders import make_agency, secret

STARTED_SECONDS_MAX: Final = 20.0
SHIFT_ID, RECORDING_ID, CONTENT_KEY = b"s" * 16, b"r" * 16, b"k" * 32
COMMITMENT = content_key_commitment(RECORDING_ID, CONTENT_KEY)


def sealed(name: str = "agency") -> bytes:
    """Return a key box for the vault of the agency of this name."""
    policy = make_agency(name).policy
    return make_key_box(
        shift_id=SHIFT_ID,
        recording_id=RECORDING_ID,
        content_key=CONTENT_KEY,
        vault_key=policy.vault_key,
        escrow_key=policy.escrow_key,
    )


def settings_in(folder: Path, *, key: bytes | None = None, mode: int = 0o600, more: str = "") -> Path:
    """Write a vault's settings and key."""
    folder.mkdir(exist_ok=True)
    (folder / "vault.key").write_bytes(secret("agency/vault", 96) if key is None else key)
    (folder / "vault.key").chmod(mode)
    file = folder / "vault.toml"
    file.write_text(f'key_file = "vault.key"\nsocket_file = "vault.socket"\n{more}')
    return file


@contextmanager
def running(settings: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the program until it is ready; end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "dockd.central", "vault", "--config", str(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert json.loads(line)["event"] == "vault-ready", process.stderr and process.stderr.read()
            yield process
        finally:
            process.terminate()
            process.wait(STARTED_SECONDS_MAX)


def refused(settings: Path) -> subprocess.CompletedProcess[str]:
    """Run the program where it must not start."""
    return subprocess.run(
        [sys.executable, "-m", "dockd.central", "vault", "--config", str(settings)],
        capture_output=True,
        text=True,
        check=False,
        timeout=STARTED_SECONDS_MAX,
    )


def lines_of(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """End the process and return the events that it had not been asked for yet."""
    process.terminate()
    process.wait(STARTED_SECONDS_MAX)
    assert process.stdout is not None
    return [json.loads(line) for line in process.stdout]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def test_the_vault_opens_what_was_sealed_to_it_and_writes_down_why(folder: Path) -> None:
    with running(settings_in(folder)) as process:
        client = VaultClient(folder / "vault.socket")

        assert client.key_id() == key_id(make_agency().policy.vault_key)
        assert client.check(sealed(), COMMITMENT) is None
        assert client.open(sealed(), COMMITMENT, reason="case 12, review") == CONTENT_KEY

        said = lines_of(process)
    assert [(line["event"], line["reason"], line["recording"]) for line in said] == [
        ("vault-opened", "case 12, review", RECORDING_ID.hex())
    ]
    assert CONTENT_KEY.hex() not in json.dumps(said)


def test_a_vault_with_another_key_refuses_and_gives_nothing(folder: Path) -> None:
    with running(settings_in(folder, key=secret("somebody else/vault", 96))) as process:
        client = VaultClient(folder / "vault.socket")

        fault = client.check(sealed(), COMMITMENT)
        with pytest.raises(VaultRefused, match="not sealed to this vault's key"):
            client.open(sealed(), COMMITMENT, reason="case 12")

        said = lines_of(process)
    assert fault is not None
    assert "not sealed to this vault's key" in fault
    assert [line["event"] for line in said] == ["vault-refused", "vault-refused"]


def test_a_key_box_with_another_key_than_was_committed_to_is_refused(folder: Path) -> None:
    with running(settings_in(folder)):
        fault = VaultClient(folder / "vault.socket").check(sealed(), bytes(32))

    assert fault == "key box holds another content key than the camera committed to"


def test_damaged_and_foreign_requests_are_refused_and_the_vault_goes_on(folder: Path) -> None:
    damaged = bytearray(sealed())
    damaged[-1] ^= 1
    with running(settings_in(folder)):
        client = VaultClient(folder / "vault.socket", timeout_s=4.0)
        assert client.check(b"\xff", COMMITMENT) is not None
        assert client.check(bytes(damaged), COMMITMENT) is None  # the escrow's part is not the vault's to check
        for cut in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00"):
            assert answer_to(folder / "vault.socket", cut) == b""
        assert isinstance(parse_reply(answer_to(folder / "vault.socket", b"\x00\x00\x00\x05hello")), Refused)
        oversized = encode({"kind": "check", "key_box": bytes(20_000), "commitment": bytes(32)})
        reply = answer_to(folder / "vault.socket", len(oversized).to_bytes(4, "big") + oversized)
        assert isinstance(parse_reply(reply), Refused)

        assert client.check(sealed(), COMMITMENT) is None


def answer_to(socket_file: Path, data: bytes) -> bytes:
    """Send raw bytes and return the reply's; nothing when the vault hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(STARTED_SECONDS_MAX)
        with address_of(socket_file) as address:
            connection.connect(address)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        while piece := connection.recv(65_536):
            reply += piece
        return reply[4:]


def test_a_silent_caller_holds_nobody_up_for_long(folder: Path) -> None:
    with running(settings_in(folder)), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        with address_of(folder / "vault.socket") as address:
            silent.connect(address)

        assert VaultClient(folder / "vault.socket", timeout_s=10.0).check(sealed(), COMMITMENT) is None


def test_the_client_waits_no_longer_than_it_was_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen(1)
        began = time.monotonic()

        with pytest.raises(VaultAway, match="does not answer"):
            VaultClient(tmp_path / "deaf", timeout_s=0.2).check(sealed(), COMMITMENT)

        assert time.monotonic() - began < 5


def test_a_vault_that_does_not_run_is_away(tmp_path: Path) -> None:
    with pytest.raises(VaultAway, match="`sealcam-central vault` running"):
        VaultClient(tmp_path / "none").check(sealed(), COMMITMENT)


def test_the_socket_is_its_users_alone_and_goes_with_the_process(folder: Path) -> None:
    socket_file = folder / "vault.socket"
    with running(settings_in(folder)):
        mode = stat.S_IMODE(socket_file.stat().st_mode)

    assert mode == 0o600
    assert not socket_file.exists()


def test_the_socket_opens_to_a_group_where_the_settings_name_one(folder: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with running(settings_in(folder, more=f'socket_group = "{group}"\n')):
        assert stat.S_IMODE((folder / "vault.socket").stat().st_mode) == 0o660

    done = refused(settings_in(folder, more='socket_group = "no-such-group"\n'))
    assert (done.returncode, "no-such-group" in done.stderr) == (2, True)


def test_a_socket_left_by_a_dead_vault_is_taken_over_and_a_living_ones_is_not(folder: Path) -> None:
    settings = settings_in(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(folder / "vault.socket"))

    with running(settings):
        second = refused(settings)
        assert VaultClient(folder / "vault.socket").check(sealed(), COMMITMENT) is None

    assert second.returncode == 2
    assert "a vault answers at" in second.stderr


def test_a_socket_may_stand_on_a_longer_path_than_the_kernel_takes(folder: Path) -> None:
    deep = folder / ("d" * 80) / ("e" * 80)
    deep.parent.parent.mkdir()
    deep.parent.mkdir()
    with running(settings_in(deep)):
        assert VaultClient(deep / "vault.socket").check(sealed(), COMMITMENT) is None


@pytest.mark.parametrize(
    ("mode", "key", "words"),
    [
        (0o640, None, "has mode 0640; expected mode 0600"),
        (0o604, None, "has mode 0604; expected mode 0600"),
        (0o600, b"short", "has 5 bytes; expected 96 bytes"),
        (0o600, bytes(97), "has more than 96 bytes; expected 96 bytes"),
    ],
)
def test_a_key_that_cannot_be_trusted_stops_the_vault_with_one_sentence(
    folder: Path, mode: int, key: bytes | None, words: str
) -> None:
    done = refused(settings_in(folder, key=key, mode=mode))

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "vault.socket").exists()


def test_a_missing_key_stops_the_vault_with_one_sentence(folder: Path) -> None:
    settings = settings_in(folder)
    (folder / "vault.key").unlink()

    done = refused(settings)

    assert done.returncode == 2
    assert "vault.key cannot be read (No such file or directory)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_messages_on_the_wire_are_bounded(tmp_path: Path) -> None:
    """What is sent is what arrives; the size in front is not believed beyond the bound."""
    left, right = socket.socketpair()
    with left, right:
        request = CheckRequest(kind="check", key_box=b"box", commitment=bytes(32))
        send(left, request)
        assert receive(right) == request.encoded()
