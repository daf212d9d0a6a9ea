"""A new agency: everything that each place needs, secrets that only their place has, and all of it or nothing."""

import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.settings_file import read_policy, read_settings
from dockd.central.commands.provision import enrol_camera, provision_agency
from dockd.central.core.toml_text import Settings, toml_text
from dockd.central.errors import SettingsFault
from dockd.central.settings import CentralSettings, VaultSettings
from dockd.shared.tls import client_context
from dockd.station.settings import DockSettings
from firmware.adapters.trust_files import load_enrolment, load_policy
from firmware.settings import CameraSettings
from protocol.keys import camera_id
from protocol.policy import verify_policy
from protocol.settings import load_settings
from tests.builders import UNIX_MS
from tests.dockd.evidence import SeededEntropy
from tests.dockd.provisioned import Provisioned, provision


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provision(tmp_path_factory.mktemp("provisioned") / "agency")


def test_the_policy_is_signed_by_two_of_three_offline_root_keys(made: Provisioned) -> None:
    trusted = verify_policy((made.folder / "policy/policy").read_bytes())

    assert (trusted.root.threshold, len(trusted.root.keys)) == (2, 3)
    assert trusted.root.fingerprint.hex() == (made.folder / "root/root.fingerprint").read_text().strip()
    assert made.agency.root.public_key in trusted.root.keys
    policy = trusted.policy
    assert (policy.version, policy.erase_level, policy.witness_threshold) == (1, "stored", 0)


def test_the_policy_names_the_keys_that_stand_in_each_place(made: Provisioned) -> None:
    policy, agency = made.agency.policy, made.agency

    assert policy.central_keys == (agency.central.public_key,)
    assert policy.dock_keys == (agency.dock.public_key,)
    assert policy.vault_key == agency.vault.public_key
    assert policy.escrow_key == agency.escrow.public_key
    assert policy.agency == "City of Example"


def test_every_secret_is_its_owners_alone_in_folders_that_nobody_else_enters(made: Provisioned) -> None:
    secrets = [file for file in made.folder.rglob("*") if file.suffix == ".key"]

    assert len(secrets) == 12  # 3 of the root, central, vault, escrow, dock, camera; TLS: authority, broker, 2 clients
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}
    folders = [made.folder, *(path for path in made.folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_no_secret_stands_in_a_second_place(made: Provisioned) -> None:
    secrets = [file.read_bytes() for file in made.folder.rglob("*.key")]
    everything = [file.read_bytes() for file in made.folder.rglob("*") if file.is_file()]

    assert all(sum(secret in data for data in everything) == 1 for secret in secrets)


def test_every_program_takes_the_settings_that_were_made_for_it(made: Provisioned) -> None:
    central = read_settings(made.config, CentralSettings)
    read_settings(made.folder / "vault/vault.toml", VaultSettings)
    dock_file, camera_file = made.folder / "docks/dock-a/dock.toml", made.folder / "cameras/CAM-1/camera.toml"
    dock = load_settings(dock_file.read_text(), str(dock_file), DockSettings)
    camera = load_settings(camera_file.read_text(), str(camera_file), CameraSettings)

    fingerprint = made.agency.root_fingerprint.hex()
    assert central.root_fingerprint == dock.root_fingerprint == camera.root_fingerprint == fingerprint
    assert (dock_file.parent / dock.dock_key_file).is_file()
    policy = load_policy(camera.policy_file, root_fingerprint=made.agency.root_fingerprint)
    key = made.camera.device.public_key
    assert load_enrolment(camera.enrolment_file, policy=policy, camera_key=key) == made.camera.enrolment


def test_the_certificates_that_were_issued_can_be_used(made: Provisioned) -> None:
    for place, name in (("central", "ingest-1"), ("docks/dock-a", "dock-a")):
        folder = made.folder / place
        client_context(
            ca_file=folder / "ca.pem", certificate_file=folder / f"{name}.pem", key_file=folder / f"{name}.key"
        )


def test_the_enrolled_camera_stands_in_the_catalogue(made: Provisioned) -> None:
    catalogue = SqliteCatalogue(made.folder / "central/catalogue.sqlite")

    assert [(row.camera_id, row.serial, row.enrolment) for row in catalogue.cameras()] == [
        (made.camera.camera_id, "CAM-1", made.camera.enrolment)
    ]


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")

    with pytest.raises(SettingsFault, match="is not an empty folder"):
        make(tmp_path / "full")

    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    make(tmp_path / "empty")

    assert (tmp_path / "empty/policy/policy").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agency": ""}, "1 to 64 characters"),
        ({"agency": "x" * 65}, "1 to 64 characters"),
        ({"docks": ("dock-a", "../../escape")}, "dock- and 1 to 27"),
        ({"docks": ("dock-a", "dock-a")}, "each name once"),
        ({"worker": "worker-1"}, "ingest- and 1 to 25"),
        ({"broker_port": 0}, "1 to 65535"),
        ({"broker_host": ""}, "a host's name"),
        ({"broker_host": "brökér"}, "a host's name"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_made(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsFault, match=words):
        make(tmp_path / "agency", **changes)

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_half_way_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: keys and policy fit, the catalogue does not."""
    program = (
        "import resource, signal, sys; from dockd.central.__main__ import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "sys.exit(main(['provision', sys.argv[1], '--agency', 'Example', '--camera', 'CAM-1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "agency")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "catalogue.sqlite cannot be made" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_same_entropy_and_time_make_the_same_agency(tmp_path: Path) -> None:
    first = provision_agency(tmp_path / "one", agency="X", entropy=SeededEntropy("same"), now_ms=UNIX_MS)
    second = provision_agency(tmp_path / "two", agency="X", entropy=SeededEntropy("same"), now_ms=UNIX_MS)

    assert first == second


def test_a_camera_that_made_its_own_key_is_enrolled_by_the_public_half(tmp_path: Path) -> None:
    folder = tmp_path / "agency"
    make(folder)
    other = provision(tmp_path / "other", name="other")
    private = load_pem_private_key((other.folder / "cameras/CAM-1/device.key").read_bytes(), password=None)
    public_file = tmp_path / "camera.pem"
    public_file.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    enrolled = enrol_camera(
        folder,
        serial="CAM-9",
        camera_key_file=public_file,
        place_on_camera=Path("/etc/sealcam"),
        entropy=SeededEntropy("x"),
        now_ms=UNIX_MS,
    )

    assert enrolled.camera_id == camera_id(other.camera.device.public_key)
    assert sorted(path.name for path in enrolled.folder.iterdir()) == ["camera.toml", "enrolment", "policy"]
    text = (enrolled.folder / "camera.toml").read_text()
    assert load_settings(text, "camera.toml", CameraSettings).device_key_file == Path("/etc/sealcam/device.key")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_holds_no_camera_key_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "agency"
    make(folder)
    (tmp_path / "key.pem").write_bytes(content)

    with pytest.raises(SettingsFault, match="holds no P-256 public key"):
        enrol_camera(
            folder,
            serial="CAM-9",
            camera_key_file=tmp_path / "key.pem",
            entropy=SeededEntropy("x"),
            now_ms=UNIX_MS,
        )

    assert list((folder / "cameras").iterdir()) == []


def test_a_serial_is_given_once(tmp_path: Path) -> None:
    folder = tmp_path / "agency"
    make(folder)
    enrol_camera(folder, serial="CAM-1", entropy=SeededEntropy("first"), now_ms=UNIX_MS)

    with pytest.raises(SettingsFault, match="camera CAM-1 is enrolled already"):
        enrol_camera(folder, serial="CAM-1", entropy=SeededEntropy("second"), now_ms=UNIX_MS)
    with pytest.raises(SettingsFault, match="camera CAM-1 is enrolled already"):
        enrol_camera(folder, serial="CAM-2", entropy=SeededEntropy("first"), now_ms=UNIX_MS)


@pytest.mark.parametrize("serial", ["", "cam", "../X", "A" * 33, "-A", "A_B"])
def test_a_serial_that_cannot_be_one_is_refused(tmp_path: Path, serial: str) -> None:
    with pytest.raises(SettingsFault, match="is no serial"):
        enrol_camera(tmp_path, serial=serial, entropy=SeededEntropy("x"), now_ms=UNIX_MS)


@pytest.mark.parametrize("name", ["central.example.toml", "vault.example.toml"])
def test_the_examples_that_are_shipped_can_be_read(name: str) -> None:
    file = Path(__file__).parents[2] / "dockd/deploy" / name
    settings = read_settings(file, CentralSettings if name.startswith("central") else VaultSettings)

    assert settings is not None


def test_a_policy_of_another_root_than_the_settings_pin_is_refused(made: Provisioned) -> None:
    with pytest.raises(SettingsFault, match="is of root"):
        read_policy(made.folder / "policy/policy", root_fingerprint="0" * 64)


def test_toml_that_is_written_is_read_back() -> None:
    values: Settings = {
        "text": 'quote " backslash \\ line\nend \x7f ü \U0001f600',
        "number": 5,
        "part": 0.5,
        "yes": True,
        "list": ["a", "b"],
        "table": {"inner": "x"},
        "row": ({"name": "one"}, {"name": "two"}),
    }

    read = tomllib.loads(toml_text(values, comment="A comment\nof two lines"))

    assert read == {**values, "row": [{"name": "one"}, {"name": "two"}]}


def make(folder: Path, **changes: object) -> None:
    values: dict[str, object] = {"agency": "X", "entropy": SeededEntropy("make"), "now_ms": UNIX_MS}
    provision_agency(folder, **(values | changes))  # type: ignore[arg-type]
