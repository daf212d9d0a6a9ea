"""A token of SoftHSM2 in a folder of the test's own: the library and its tools are Debian's, the keys are nobody's."""

import os
import subprocess
from pathlib import Path
from typing import Final

from firmware.settings import TokenSettings

MODULE: Final = next(
    (path for path in sorted(Path("/usr/lib").glob("**/libsofthsm2.so")) if path.is_file()),
    Path("/usr/lib/softhsm/libsofthsm2.so"),
)
LABEL: Final = "sealcam-test"
PIN: Final = "2468-camera"


def make_token(folder: Path, *, label: str = LABEL) -> TokenSettings:
    """Initialise a token below ``folder``. The library reads SOFTHSM2_CONF once a process: see `environment`."""
    (folder / "tokens").mkdir(exist_ok=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "8642-agency"]
    subprocess.run(command, env=environment(folder), check=True, capture_output=True)
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    return TokenSettings(module_file=MODULE, token_label=label, pin_file=pin_file)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which a process finds the token of ``folder``."""
    return {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
