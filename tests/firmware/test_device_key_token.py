"""The device key in a token, by PKCS #11 against Debian's SoftHSM2: it signs, it cannot be copied, and what is wrong is said."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dockd.central.app.provision import device_public_key
from firmware.adapters.device_key_token import TokenKeyUnusable, TokenP256, make_token_key
from firmware.adapters.private_file import DeviceKeyUnusable
from firmware.settings import TokenSettings
from protocol.keys import SoftwareP256, camera_id, verify_p256
from tests.firmware.soft_token import PIN, environment, make_token


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenSettings]:
    """Make a token in this process's own SoftHSM2, whose settings the library reads when it is loaded."""
    folder = tmp_path_factory.mktemp("token")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        yield make_token(folder)


@pytest.fixture(scope="module")
def key(token: TokenSettings) -> Iterator[TokenP256]:
    made = make_token_key(token)
    yield made
    made.close()


def test_what_the_token_signs_verifies_as_any_device_signature(key: TokenP256, token: TokenSettings) -> None:
    again = TokenP256(token)

    for message in (b"", b"head", bytes(70_000)):
        verify_p256(key.public_key, message, key.sign(message))
        verify_p256(key.public_key, message, again.sign(message))
    assert again.public_key == key.public_key
    again.close()


def test_the_private_key_cannot_be_taken_out(key: TokenP256, token: TokenSettings) -> None:
    """Neither by reading its value nor by wrapping it under a key of the attacker's, who has the PIN."""
    session = pkcs11.lib(str(token.module_file)).get_token(token_label=token.token_label).open(rw=True)
    private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=token.key_label)
    assert (private[pkcs11.Attribute.EXTRACTABLE], private[pkcs11.Attribute.SENSITIVE]) == (False, True)
    with pytest.raises(pkcs11.PKCS11Error):
        private[pkcs11.Attribute.VALUE]
    with pytest.raises(pkcs11.PKCS11Error):
        private[pkcs11.Attribute.EXTRACTABLE] = True
    wrapping = session.generate_key(pkcs11.KeyType.AES, 256, capabilities=pkcs11.MechanismFlag.WRAP, store=False)
    with pytest.raises(pkcs11.PKCS11Error):
        wrapping.wrap_key(private)  # type: ignore[attr-defined]  # the types do not know what the flag gives
    session.close()


def test_any_thread_may_sign(key: TokenP256) -> None:
    signed: list[tuple[bytes, bytes]] = []

    def sign(number: int) -> None:
        for count in range(20):
            message = hashlib.sha256(bytes([number, count])).digest()
            signed.append((message, key.sign(message)))

    threads = [threading.Thread(target=sign, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(signed) == 80
    for message, signature in signed:
        verify_p256(key.public_key, message, signature)


def test_a_camera_makes_its_key_once(key: TokenP256, token: TokenSettings) -> None:
    with pytest.raises(TokenKeyUnusable, match="is there already"):
        make_token_key(token)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key_label": "another"}, "device key 'another' in token 'sealcam-test'"),
        ({"token_label": "no-such"}, "in token 'no-such'"),
        ({"module_file": Path("/etc/hostname")}, "is no PKCS #11 library that works"),
        ({"pin_file": Path("/no/such/pin")}, "No such file"),
    ],
)
def test_what_is_wrong_is_said(key: TokenP256, token: TokenSettings, change: dict[str, object], why: str) -> None:
    with pytest.raises(DeviceKeyUnusable, match=why):
        TokenP256(token.model_copy(update=change))


def test_a_pin_that_others_can_read_is_refused(key: TokenP256, token: TokenSettings, tmp_path: Path) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o640)

    with pytest.raises(DeviceKeyUnusable, match="mode 0640, 0600 expected") as refused:
        TokenP256(token.model_copy(update={"pin_file": pin_file}))
    assert PIN not in str(refused.value)


def test_a_key_that_can_be_copied_is_refused(key: TokenP256, token: TokenSettings) -> None:
    session = pkcs11.lib(str(token.module_file)).get_token(token_label=token.token_label).open(rw=True)
    curve = {pkcs11.Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107")}  # OID of P-256, RFC 5480, 2.1.1.1
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    template = {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
    parameters.generate_keypair(store=True, label="open", private_template=template)
    session.close()

    with pytest.raises(TokenKeyUnusable, match="can be copied out of the token"):
        TokenP256(token.model_copy(update={"key_label": "open"}))


def test_the_camera_makes_and_shows_its_key_by_command(tmp_path: Path) -> None:
    token = make_token(tmp_path, label="by-command")
    config = tmp_path / "camera.toml"
    config.write_text(
        f'card_folder = "card"\nenrolment_file = "enrolment"\npolicy_file = "policy"\nroot_fingerprint = "{"0a" * 32}"\n'
        f'dock_port = "/dev/ttyGS0"\n[device_token]\nmodule_file = "{token.module_file}"\ntoken_label = "by-command"\npin_file = "pin"\n'
    )

    def camera(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "firmware", *arguments, "--config", str(config)]
        return subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False)

    out = tmp_path / "camera-key.pem"
    made, again = camera("make-key", "--out", str(out)), camera("make-key", "--out", str(out))
    checked = camera("check")
    (tmp_path / "pin").write_text("1111")
    with_wrong_pin = camera("check")

    shown = camera_id(device_public_key(out.read_bytes(), file=str(out))).hex()
    assert made.returncode == 0, made.stderr
    assert shown in made.stdout
    assert f"ready      device key camera {shown}" in checked.stdout
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert "NOT READY  device key" in with_wrong_pin.stdout
    assert "PinIncorrect" in with_wrong_pin.stdout
    assert "1111" not in with_wrong_pin.stdout + with_wrong_pin.stderr


def test_both_kinds_of_keys_sign_alike(key: TokenP256) -> None:
    software = SoftwareP256(ec.generate_private_key(ec.SECP256R1()))
    for signer in (key, software):
        assert len(signer.sign(b"message")) == 64
        assert len(signer.public_key) == 65
        assert signer.public_key[0] == 4
