"""An agency with a ledger: made by `provision`, kept by a process of its own, read by the others."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockd.central.__main__ import main
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.adapters.settings_file import read_settings
from dockd.central.commands.ledger import ledger_state, receipt_proofs
from dockd.central.commands.opening import open_central
from dockd.central.core.leaves import leaf_data, leaf_row, receipt_opening
from dockd.central.core.ledger_plan import NewLedger, default_origin, new_ledger
from dockd.central.errors import SettingsFault
from dockd.central.ports import ReceiptRow
from dockd.central.settings import CentralSettings
from protocol.ledger.leaves import parse_opening
from protocol.ledger.merkle import leaf_hash
from protocol.ledger.note import COSIGNATURE_TYPE, ED25519_TYPE, VerifierKey
from protocol.ledger.proof import VerifiedInclusion, parse_proof, verify_proof
from protocol.ledger.trust import LedgerTrust
from tests.dockd.ledgers import WITNESS_KEYS
from tests.dockd.provisioned import Provisioned, provision

WITNESS = VerifierKey("witness.example/one", COSIGNATURE_TYPE, WITNESS_KEYS[0].public_key).text
OTHER = VerifierKey("witness.example/two", COSIGNATURE_TYPE, WITNESS_KEYS[1].public_key).text
URL = "https://witness.example/sealcam"


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """`main` sets the process's umask; this process runs other tests too."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def made(tmp_path: Path) -> Provisioned:
    return provision(tmp_path / "agency", ledger=NewLedger("city-of-example/sealcam"))


@contextmanager
def running(made: Provisioned) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "dockd.central", "ledger", "--config", str(made.config), "--events"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(process: "subprocess.Popen[str]", name: str, size: int = 0) -> dict[str, object]:
    """Read events up to the one of this name that speaks of at least so many leaves."""
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, object] = json.loads(line)
        if event["event"] == name and int(str(event.get("size", 0))) >= size:
            return event
    assert process.stderr is not None
    raise AssertionError(f"ended without {name}: {process.stderr.read()}")


def stopped(process: "subprocess.Popen[str]") -> int:
    process.send_signal(signal.SIGTERM)
    until(process, "ledger-stopped")
    return process.wait(10)


def settings_of(made: Provisioned) -> CentralSettings:
    return read_settings(made.config, CentralSettings)


def receipts_of(made: Provisioned) -> list[ReceiptRow]:
    catalogue = open_central(made.config).catalogue
    return [row for shift in catalogue.shifts() for row in catalogue.receipts(shift.key)]


def shown(made: Provisioned, row: ReceiptRow) -> VerifiedInclusion | None:
    """Return what a reader who has the policy finds in the proof that central gives for a receipt."""
    policy = made.agency.policy
    assert policy.ledger is not None
    proof = receipt_proofs(settings_of(made), policy)(row)
    if proof is None:
        return None
    parsed = parse_proof(proof)
    trust = LedgerTrust(policy.ledger.origin, policy.ledger.keys, policy.witness_keys, policy.witness_threshold)
    return verify_proof(parsed, leaf_hash(leaf_data(leaf_row(receipt_opening(row), parsed.extra or b""))), trust)


# Provisioning.


def test_without_being_asked_an_agency_keeps_no_ledger(tmp_path: Path) -> None:
    made = provision(tmp_path / "agency")

    assert made.agency.policy.ledger is None
    assert settings_of(made).ledger is None
    assert not (made.folder / "central/ledger.key").exists()


def test_the_policy_names_the_ledger_and_its_key_stands_apart_from_centrals(made: Provisioned) -> None:
    ledger, settings = made.agency.policy.ledger, settings_of(made).ledger

    assert ledger is not None
    assert settings is not None
    assert ledger.origin == "city-of-example/sealcam"
    assert settings.key_file == made.folder / "central/ledger.key"
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o600
    assert settings.key_file.read_bytes() != (made.folder / "central/central.key").read_bytes()
    assert not set(ledger.keys) & set(made.agency.policy.central_keys)
    assert settings.folder.is_dir()


def test_provision_makes_a_ledger_with_its_witnesses(tmp_path: Path) -> None:
    folder = tmp_path / "agency"
    witnesses = ["--witness", WITNESS, "--witness-url", URL, "--witness", OTHER, "--witness-url", f"{URL}/2"]
    assert main(["provision", str(folder), "--agency", "Ville de Québec", "--ledger", *witnesses]) == 0

    opened = open_central(folder / "central/central.toml")
    policy = opened.policy.policy
    assert policy.ledger is not None
    assert policy.ledger.origin == "ville-de-quebec/sealcam"
    assert policy.witness_keys == (WITNESS_KEYS[0].public_key, WITNESS_KEYS[1].public_key)
    assert policy.witness_threshold == 2
    assert [(one.key, one.url) for one in opened.settings.witness] == [(WITNESS, URL), (OTHER, f"{URL}/2")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--witness", WITNESS, "--witness-url", URL], "none is to be kept"),
        (["--ledger", "--witness", WITNESS], "1 witnesses and 0 URLs"),
        (["--ledger", "--witness", WITNESS[:-2], "--witness-url", URL], "witness "),
        (["--ledger", *["--witness", WITNESS, "--witness-url", URL] * 2], "named twice"),
        (["--ledger", "--witness", WITNESS, "--witness-url", "ftp://x"], "witness URL"),
        (["--ledger", "--witness-threshold", "1"], "1 witnesses are to cosign, and 0 are named"),
        (["--ledger", "--witness-threshold", "-1"], "-1 witnesses are to cosign"),
        (["--ledger", "--ledger-origin", "Not One"], "ledger origin"),
    ],
)
def test_what_cannot_be_a_ledger_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["provision", str(tmp_path / "agency"), "--agency", "X", *options]) == 2

    assert says in capsys.readouterr().err
    assert not (tmp_path / "agency").exists()


def test_a_logs_key_is_no_witness() -> None:
    key = VerifierKey("log.example", ED25519_TYPE, WITNESS_KEYS[0].public_key).text

    with pytest.raises(SettingsFault, match="type 0x01"):
        new_ledger("X", witnesses=((key, URL),))


def test_fewer_witnesses_than_are_named_may_be_enough() -> None:
    assert new_ledger("X", witnesses=((WITNESS, URL), (OTHER, URL)), witness_threshold=1).witness_threshold == 1


@pytest.mark.parametrize(
    ("agency", "origin"), [("City of Example", "city-of-example/sealcam"), ("  Zürich, Stadt ", "zurich-stadt/sealcam")]
)
def test_a_ledger_is_named_after_its_agency(agency: str, origin: str) -> None:
    assert default_origin(agency) == origin


def test_an_agency_without_a_letter_that_an_origin_may_have_must_name_its_ledger() -> None:
    with pytest.raises(SettingsFault, match="--ledger-origin"):
        default_origin("警視庁")


# The process.


def test_what_is_stored_is_proved_within_moments_and_still_after_a_restart(made: Provisioned, tmp_path: Path) -> None:
    with made.vault(), running(made) as process:
        until(process, "published", size=2)  # the policy, the camera
        made.store(made.shift(tmp_path / "card"))
        until(process, "published", size=7)
        before = [shown(made, row) for row in receipts_of(made)]
        code = stopped(process)
    with running(made) as process:
        started = until(process, "ledger-started")
        code += stopped(process)

    assert code == 0
    assert started["size"] == 7
    assert len(before) == 3
    assert all(one is not None for one in before)
    assert [shown(made, row) for row in receipts_of(made)] == before


def test_the_first_leaves_are_the_policy_and_the_cameras(made: Provisioned) -> None:
    with running(made) as process:
        until(process, "published", size=2)
    queue = SqliteLeafQueue(settings_of(made).storage.catalogue_file)

    said = {opening.kind: opening for opening in (parse_opening(row.leaf.opening) for row in queue.placed(0, 9))}
    assert said.keys() == {"policy", "camera-key"}
    assert getattr(said["policy"], "policy_hash", None) == made.agency.trusted.policy_hash
    assert getattr(said["camera-key"], "camera_id", None) == made.camera.camera_id


def test_a_killed_ledger_goes_on_with_what_it_had_promised(made: Provisioned, tmp_path: Path) -> None:
    with made.vault():
        made.store(made.shift(tmp_path / "card"))
    with running(made) as process:
        until(process, "published", size=7)
        promised = [shown(made, row) for row in receipts_of(made)]
        process.kill()
        process.wait()
    with running(made) as process:
        assert until(process, "ledger-started")["size"] == 7

    assert [shown(made, row) for row in receipts_of(made)] == promised


def test_two_processes_never_keep_one_ledger(made: Provisioned, capsys: pytest.CaptureFixture[str]) -> None:
    with running(made) as process:
        until(process, "ledger-started")
        assert main(["ledger", "--config", str(made.config)]) == 2

    assert "another process writes to the ledger" in capsys.readouterr().err


def test_check_says_what_the_ledger_is(made: Provisioned) -> None:
    before = ledger_state(settings_of(made), made.agency.policy)
    with running(made) as process:
        until(process, "published", size=2)

    needed = "0 of 0 witnesses must cosign, 0 are asked"
    assert before == f"city-of-example/sealcam: not begun, 1 waiting, nothing published; {needed}"
    assert ledger_state(settings_of(made), made.agency.policy) == (
        f"city-of-example/sealcam: 2 leaves, 0 waiting, 2 leaves published; {needed}"
    )


def test_while_no_witness_answers_nothing_is_published_and_the_ledger_says_so(tmp_path: Path) -> None:
    made = provision(tmp_path / "agency", ledger=new_ledger("X", witnesses=((WITNESS, URL),)))
    with running(made) as process:
        event = until(process, "unwitnessed")

    assert (event["cosignatures"], event["threshold"]) == (0, 1)
    assert "nothing published; 1 of 1 witnesses must cosign, 1 are asked" in ledger_state(
        settings_of(made), made.agency.policy
    )


def test_a_policy_without_a_ledger_keeps_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = provision(tmp_path / "agency")

    assert main(["ledger", "--config", str(made.config)]) == 2
    assert "policy version 1 names no ledger" in capsys.readouterr().err
    assert ledger_state(settings_of(made), made.agency.policy).startswith("none")
    assert receipt_proofs(settings_of(made), made.agency.policy)(ReceiptRow.__new__(ReceiptRow)) is None


def test_settings_without_the_policys_ledger_are_refused(made: Provisioned, capsys: pytest.CaptureFixture[str]) -> None:
    text = made.config.read_text()
    made.config.write_text(text[: text.index("[ledger]")])

    assert main(["ledger", "--config", str(made.config)]) == 2
    assert "[ledger] with folder and key_file" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["open to others", "another key"])
def test_a_ledger_key_that_cannot_be_used_is_refused(
    made: Provisioned, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    file = made.folder / "central/ledger.key"
    if fault == "another key":
        file.write_bytes(b"k" * 32)
    else:
        file.chmod(0o640)

    assert main(["ledger", "--config", str(made.config)]) == 2
    says = "is not one that policy version 1 names" if fault == "another key" else "has mode 0640"
    assert says in capsys.readouterr().err


def test_a_ledger_that_does_not_belong_together_ends_with_one_sentence(
    made: Provisioned, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(made) as process:
        until(process, "published", size=2)
    (made.folder / "central/ledger/checkpoint").unlink()

    assert main(["ledger", "--config", str(made.config)]) == 2
    assert "there are tiles and no checkpoint" in capsys.readouterr().err
