from pathlib import Path

import pytest

from dockd.station.adapters.settings_file import read_dock_key, read_policy, read_settings
from dockd.station.errors import SettingsFault
from dockd.station.settings import UART_WINDOW_BYTES, USB_WINDOW_BYTES, DockSettings
from protocol.errors import SettingsError
from tests.builders import make_agency, secret

AGENCY = make_agency()
EXAMPLE = Path(__file__).resolve().parents[2] / "dockd" / "deploy" / "dock.example.toml"


def write(folder: Path, extra: str = "", *, fingerprint: bytes = AGENCY.root_fingerprint) -> Path:
    """Write settings with all their files, as a district would have them."""
    (folder / "policy").write_bytes(AGENCY.trusted.signed_bytes)
    key = folder / "dock.key"
    key.write_bytes(secret("agency/dock"))
    key.chmod(0o600)
    file = folder / "dock.toml"
    file.write_text(
        f'dock_name = "dock-a"\npolicy_file = "policy"\nroot_fingerprint = "{fingerprint.hex()}"\n'
        'dock_key_file = "dock.key"\nspool_folder = "spool"\nstatus_file = "status.json"\n'
        f'{extra}\n[[bay]]\nname = "bay-1"\nport = "port"\n'
    )
    return file


def test_paths_are_relative_to_the_settings_own_folder(tmp_path: Path) -> None:
    settings = read_settings(
        write(tmp_path, '[broker]\nhost = "b"\nca_file = "ca"\ncertificate_file = "c"\nkey_file = "k"')
    )

    assert settings.spool_folder == tmp_path / "spool"
    assert settings.bay[0].port == tmp_path / "port"
    assert settings.broker is not None
    assert settings.broker.ca_file == tmp_path / "ca"


def test_policy_and_key_are_read_and_fit_together(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path))
    trusted = read_policy(settings)

    assert read_dock_key(settings, trusted).public_key == AGENCY.dock.public_key


def test_the_example_is_good_settings() -> None:
    settings = read_settings(EXAMPLE)

    assert [bay.name for bay in settings.bay] == ["bay-1", "bay-2"]
    assert [bay.window for bay in settings.bay] == [USB_WINDOW_BYTES, UART_WINDOW_BYTES]
    assert settings.broker is not None


def test_two_bays_on_one_port_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text() + '[[bay]]\nname = "bay-2"\nport = "port"\n')

    with pytest.raises(SettingsError, match="two bays have the port port; each needs its own"):
        read_settings(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match=r"none\.toml cannot be read"):
        read_settings(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_no_settings(tmp_path: Path) -> None:
    (tmp_path / "dock.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsFault, match="not text in UTF-8"):
        read_settings(tmp_path / "dock.toml")


def test_a_policy_of_another_root_is_refused(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, fingerprint=bytes(32)))

    with pytest.raises(SettingsFault, match="find out which is the agency's"):
        read_policy(settings)


def test_a_policy_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path))
    data = bytearray(AGENCY.trusted.signed_bytes)
    data[100] ^= 1
    (tmp_path / "policy").write_bytes(data)

    with pytest.raises(SettingsFault, match="does not hold"):
        read_policy(settings)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path))
    settings.dock_key_file.chmod(0o640)

    with pytest.raises(SettingsFault, match="mode 0640"):
        read_dock_key(settings, AGENCY.trusted)


def test_a_key_that_the_policy_does_not_name_is_refused(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path))
    settings.dock_key_file.write_bytes(secret("another"))

    with pytest.raises(SettingsFault, match="does not name the key"):
        read_dock_key(settings, AGENCY.trusted)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    settings = read_settings(write(tmp_path))
    settings.dock_key_file.write_bytes(bytes(size))

    with pytest.raises(SettingsFault, match=r"bytes"):
        read_dock_key(settings, AGENCY.trusted)


def test_the_models_fields_have_words_for_whoever_forgets_one() -> None:
    required = [field for field in DockSettings.model_fields.values() if field.is_required()]

    assert all(field.description for field in required)
