"""Reads the camera's settings file; relative paths in it are relative to its own folder."""

from pathlib import Path

from firmware.errors import OperatingError
from firmware.settings import CameraSettings
from protocol.settings import load_settings


class SettingsUnreadable(OperatingError):
    """The settings file is absent or is no text."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Name the camera's settings with --config; firmware/deploy/camera.example.toml is one to start from."


def read_settings(file: Path) -> CameraSettings:
    """Return the settings.

    Raises:
        SettingsUnreadable: the file cannot be read.
        SettingsError: it can, and cannot be used.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsUnreadable(f"settings {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsUnreadable(f"settings {file} are not text in UTF-8") from error
    settings = load_settings(text, str(file), CameraSettings)
    folder = file.resolve().parent
    beside = {name: folder / getattr(settings, name) for name in ("card_folder", "enrolment_file", "policy_file")}
    if settings.device_key_file is not None:
        beside["device_key_file"] = folder / settings.device_key_file
    token = settings.device_token
    if token is not None:
        token = token.model_copy(update={name: folder / getattr(token, name) for name in ("module_file", "pin_file")})
    return settings.model_copy(update={**beside, "device_token": token})
