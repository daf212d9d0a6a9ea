"""The files that a camera starts from: settings, device key, policy, enrolment; each refused in words that help."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from firmware.adapters.device_key_file import load_device_key
from firmware.adapters.private_file import DeviceKeyUnusable
from firmware.adapters.settings_file import SettingsUnreadable, read_settings
from firmware.adapters.trust_files import TrustFileUnusable, load_enrolment, load_policy
from firmware.errors import CameraSoftwareError
from protocol.errors import SettingsError
from protocol.keys import verify_p256
from tests.builders import make_agency, make_camera
from tests.firmware.crash_world import AGENCY, CAMERA

SETTINGS = f"""\
card_folder = "card"
device_key_file = "keys/device.pem"
enrolment_file = "enrolment"
policy_file = "policy"
root_fingerprint = "{"0a" * 32}"
dock_port = "/dev/ttyGS0"
"""


def settings_file(folder: Path, text: str = SETTINGS) -> Path:
    file = folder / "camera.toml"
    file.write_text(text)
    return file


def key_file(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, mode: int = 0o600) -> Path:
    file = folder / "device.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file.chmod(mode)
    return file


def test_settings_are_read_and_their_paths_are_beside_the_file(tmp_path: Path) -> None:
    settings = read_settings(settings_file(tmp_path))

    assert settings.card_folder == tmp_path / "card"
    assert settings.device_key_file == tmp_path / "keys" / "device.pem"
    assert (settings.pre_event_s, settings.pre_event_audio, settings.shift_hours_max) == (30, False, 24)


def test_the_example_is_good() -> None:
    example = Path(__file__).parents[2] / "firmware" / "deploy" / "camera.example.toml"

    assert read_settings(example).heartbeat_s == 60


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pre_event_s = 121", "line 7: pre_event_s: input should be less than or equal to 120, found 121"),
        ('pre_event_s = "30"', "line 7: pre_event_s: input should be a valid integer"),
        ('pre_event_audio = "yes"', "line 7: pre_event_audio: input should be a valid boolean"),
        ("pre_event_audio = 1", "line 7: pre_event_audio: input should be a valid boolean"),
        ("pre_evnt_s = 3", "line 7: pre_evnt_s: unknown key, did you mean pre_event_s?"),
        ("reserve_bytes = 0", "line 7: reserve_bytes: input should be greater than or equal to 1048576"),
        ('utc_source = "ntp"', "line 7: utc_source: input should be 'none' or 'rtc'"),
        ("heartbeat_s = 0", "line 7: heartbeat_s"),
        ("dock_port = 3", "line 7: not TOML"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(settings_file(tmp_path, f"{SETTINGS}{line}\n"))

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SETTINGS.replace('device_key_file = "keys/device.pem"\n', ""), "neither"),
        (SETTINGS + '[device_token]\nmodule_file = "m"\ntoken_label = "t"\npin_file = "p"\n', "both"),
    ],
)
def test_the_device_key_is_in_a_file_or_in_a_token(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(
        SettingsError, match=f"{found} of device_key_file and .device_token. found, one of them expected"
    ):
        read_settings(settings_file(tmp_path, text))


def test_a_tokens_files_are_beside_the_settings(tmp_path: Path) -> None:
    table = '[device_token]\nmodule_file = "/usr/lib/m.so"\ntoken_label = "t"\npin_file = "pin"\n'
    token = read_settings(
        settings_file(tmp_path, SETTINGS.replace('device_key_file = "keys/device.pem"\n', "") + table)
    ).device_token

    assert token is not None
    assert (token.module_file, token.pin_file) == (Path("/usr/lib/m.so"), tmp_path / "pin")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dock_port: missing"):
        read_settings(settings_file(tmp_path, SETTINGS.replace('dock_port = "/dev/ttyGS0"\n', "")))


@pytest.mark.parametrize("fingerprint", ["0a" * 31, "0A" * 32, "xy" * 32, ""])
def test_a_root_fingerprint_is_64_hex_digits(tmp_path: Path, fingerprint: str) -> None:
    with pytest.raises(SettingsError, match="line 5: root_fingerprint"):
        read_settings(settings_file(tmp_path, SETTINGS.replace("0a" * 32, fingerprint)))


def test_settings_that_are_not_there_or_no_text_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(SettingsUnreadable, match="No such file") as caught:
        read_settings(tmp_path / "camera.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")

    assert "camera.example.toml" in caught.value.diagnosis()
    with pytest.raises(SettingsUnreadable, match="not text"):
        read_settings(tmp_path / "binary.toml")


def test_a_device_key_signs(tmp_path: Path) -> None:
    signer = load_device_key(key_file(tmp_path, ec.generate_private_key(ec.SECP256R1())))

    verify_p256(signer.public_key, b"message", signer.sign(b"message"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777, 0o610])
def test_a_device_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(DeviceKeyUnusable, match=f"mode {mode:04o}, 0600 expected") as caught:
        load_device_key(key_file(tmp_path, ec.generate_private_key(ec.SECP256R1()), mode))

    assert "0600" in caught.value.diagnosis()


def test_a_device_key_that_its_user_may_only_read_is_fine(tmp_path: Path) -> None:
    load_device_key(key_file(tmp_path, ec.generate_private_key(ec.SECP256R1()), 0o400))


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["P-384", "Ed25519"]
)
def test_a_key_of_another_kind_is_refused(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    with pytest.raises(DeviceKeyUnusable, match="no P-256 key"):
        load_device_key(key_file(tmp_path, key))


def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    file.write_text("-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----\n")
    file.chmod(0o600)
    with pytest.raises(DeviceKeyUnusable, match="no private key in PEM") as caught:
        load_device_key(file)

    assert "secretsecret" not in str(caught.value)
    with pytest.raises(DeviceKeyUnusable, match="No such file"):
        load_device_key(tmp_path / "absent.pem")


def test_a_key_behind_a_password_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "device.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
        )
    )
    file.chmod(0o600)

    with pytest.raises(DeviceKeyUnusable, match="no private key in PEM"):
        load_device_key(file)


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_policy_and_enrolment_of_the_camera_s_agency_are_taken(tmp_path: Path) -> None:
    policy = load_policy(
        written(tmp_path, "policy", AGENCY.trusted.signed_bytes), root_fingerprint=AGENCY.root_fingerprint
    )
    data = load_enrolment(
        written(tmp_path, "enrolment", CAMERA.enrolment), policy=policy, camera_key=CAMERA.device.public_key
    )

    assert policy == AGENCY.trusted
    assert data == CAMERA.enrolment


def _policy_of_another_root(folder: Path) -> None:
    other = make_agency("another agency")
    load_policy(written(folder, "policy", other.trusted.signed_bytes), root_fingerprint=AGENCY.root_fingerprint)


def _damaged_policy(folder: Path) -> None:
    load_policy(
        written(folder, "policy", AGENCY.trusted.signed_bytes[:-1] + b"\0"), root_fingerprint=AGENCY.root_fingerprint
    )


def _absent_policy(folder: Path) -> None:
    load_policy(folder / "policy", root_fingerprint=AGENCY.root_fingerprint)


def _enrolment_of_another_camera(folder: Path) -> None:
    other = make_camera(AGENCY, "CAM-2")
    file = written(folder, "enrolment", other.enrolment)
    load_enrolment(file, policy=AGENCY.trusted, camera_key=CAMERA.device.public_key)


def _enrolment_by_another_agency(folder: Path) -> None:
    other = make_camera(make_agency("another agency"))
    file = written(folder, "enrolment", other.enrolment)
    load_enrolment(file, policy=AGENCY.trusted, camera_key=other.device.public_key)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (_policy_of_another_root, "expected"),
        (_damaged_policy, "does not hold"),
        (_absent_policy, "No such file"),
        (_enrolment_of_another_camera, "is of another camera, CAM-2"),
        (_enrolment_by_another_agency, "does not hold"),
    ],
)
def test_trust_that_is_not_this_camera_s_is_refused(
    tmp_path: Path, attempt: Callable[[Path], None], message: str
) -> None:
    with pytest.raises(TrustFileUnusable, match=message) as caught:
        attempt(tmp_path)

    assert isinstance(caught.value, CameraSoftwareError)
    assert caught.value.diagnosis()
