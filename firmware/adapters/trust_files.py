"""The files that tie a camera to its agency: the signed policy that it pins, and its own enrolment."""

from pathlib import Path

from firmware.errors import OperatingError
from protocol.errors import PeerError
from protocol.policy import TrustedPolicy, verify_enrolment, verify_policy
from protocol.units import CBOR_SIZE_BYTES_MAX


class TrustFileUnusable(OperatingError):
    """Policy or enrolment is absent or does not hold."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Dock the camera at the agency's enrolment station, or copy policy and enrolment from central again."


def load_policy(path: Path, *, root_fingerprint: bytes) -> TrustedPolicy:
    """Return the policy, signed by the root that the camera was given at its enrolment.

    Raises:
        TrustFileUnusable: absent, damaged, or of another root.
    """
    try:
        policy = verify_policy(_small(path))
    except PeerError as error:
        raise TrustFileUnusable(f"policy {path} does not hold: {error}") from error
    if policy.root.fingerprint != root_fingerprint:
        found = policy.root.fingerprint.hex()
        raise TrustFileUnusable(f"policy {path} is of root {found}, {root_fingerprint.hex()} expected")
    return policy


def load_enrolment(path: Path, *, policy: TrustedPolicy, camera_key: bytes) -> bytes:
    """Return the bytes of this camera's enrolment.

    Raises:
        TrustFileUnusable: absent, not central's, or another camera's.
    """
    data = _small(path)
    try:
        enrolment = verify_enrolment(data, policy.policy)
    except PeerError as error:
        raise TrustFileUnusable(f"enrolment {path} does not hold: {error}") from error
    if enrolment.camera_key != camera_key:
        raise TrustFileUnusable(f"enrolment {path} is of another camera, {enrolment.serial}")
    return data


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(CBOR_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise TrustFileUnusable(f"{path}: {error.strerror}") from error
