"""`provision` and `enrol`: a new agency in a fresh folder, and a camera that it knows."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.certificate_authority import AGENCY_CHARACTERS_MAX, CertificateAuthority, Usage
from dockd.central.adapters.object_store import STAGING_FOLDER
from dockd.central.adapters.private_files import write_new
from dockd.central.adapters.settings_file import read_policy, read_public, read_settings
from dockd.central.app.provision import (
    Broker,
    NewAgency,
    NewCamera,
    NewFile,
    device_public_key,
    new_agency,
    new_camera,
    new_device_key,
)
from dockd.central.commands.opening import read_central_key
from dockd.central.core.leaves import camera_opening, leaf_row
from dockd.central.core.ledger_plan import NewLedger
from dockd.central.core.toml_text import Settings
from dockd.central.errors import SettingsFault
from dockd.central.ports import CameraRow, Entropy
from dockd.central.settings import CentralSettings
from protocol.keys import camera_id
from protocol.offload.topics import is_dock_name, is_worker_name
from protocol.units import LEAF_SALT_SIZE_BYTES

CAMERA_DEFAULTS: Final[Settings] = {"dock_port": "/dev/ttyGS0"}
BAY_PORT: Final = "/dev/ttyACM0"
SERIAL: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}")
HOST: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PEM_SIZE_BYTES_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class EnrolledCamera:
    """A camera's id, and the folder with everything that it is given."""

    camera_id: bytes
    folder: Path


def provision_agency(
    folder: Path,
    *,
    agency: str,
    entropy: Entropy,
    now_ms: int,
    docks: tuple[str, ...] = ("dock-a",),
    worker: str = "ingest-1",
    broker_host: str = "localhost",
    broker_port: int = 8883,
    bay_port: str = BAY_PORT,
    ledger: NewLedger | None = None,
) -> NewAgency:
    """Make an agency in ``folder``, all of it or nothing; every secret 0600 in a folder of 0700.

    ``ledger`` None: the agency keeps none, and receipts need no proof.

    Raises:
        OperatingError: ``folder`` is not empty or cannot be written, or a name cannot be one.
    """
    _require_fresh(folder)
    _require_names(agency, docks, worker, broker_host, broker_port)
    plan = new_agency(
        name=agency,
        docks=docks,
        worker=worker,
        broker=Broker(broker_host, broker_port),
        bay_port=bay_port,
        entropy=entropy,
        now_ms=now_ms,
        ledger=ledger,
    )
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _write_files(partial, plan.files)
        _make_private_folder(partial / "cameras")
        _make_private_folder(partial / "central/storage" / STAGING_FOLDER)
        if ledger is not None:
            _make_private_folder(partial / "central/ledger")
        SqliteCatalogue.create(partial / "central/catalogue.sqlite").close()
        _issue_certificates(partial, agency, docks, worker, broker_host, _EPOCH + timedelta(milliseconds=now_ms))
        partial.rename(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # where it is still there, something went wrong
    return plan


def enrol_camera(
    folder: Path,
    *,
    serial: str,
    entropy: Entropy,
    now_ms: int,
    camera_key_file: Path | None = None,
    place_on_camera: Path | None = None,
    settings: Settings | None = None,
) -> EnrolledCamera:
    """Enrol a camera at the agency in ``folder``, and make `cameras/SERIAL` with what the camera is given.

    Without ``camera_key_file`` (PEM, public, made by the camera) its device key is made here, as a bench does it.
    ``place_on_camera``: the folder that these files will stand in there; None: here. ``settings`` are more values
    for its `camera.toml`, and win over the ones made here.

    Raises:
        OperatingError: the agency cannot be read, or the camera or its serial is enrolled already.
    """
    require_serial(serial)
    place = folder / "cameras" / serial
    central = read_settings(folder / "central/central.toml", CentralSettings)
    policy = read_policy(central.policy_file, root_fingerprint=central.root_fingerprint)
    catalogue = SqliteCatalogue(central.storage.catalogue_file)
    try:
        if camera_key_file is None:
            device, pem = new_device_key(entropy)
            camera_key, device_key_pem = device.public_key, pem
        else:
            data = read_public(camera_key_file, what="camera key", size_bytes_max=_PEM_SIZE_BYTES_MAX)
            camera_key, device_key_pem = device_public_key(data, file=str(camera_key_file)), None
        _require_unknown(catalogue, serial, camera_id(camera_key), place)
        camera = new_camera(
            serial=serial,
            camera_key=camera_key,
            device_key_pem=device_key_pem,
            policy=policy,
            central=read_central_key(central.central_key_file, policy),
            place=str(place_on_camera or place.absolute()),
            settings={**CAMERA_DEFAULTS, **(settings or {})},
            now_ms=now_ms,
        )
        _write_camera(place, camera)
        leaf = leaf_row(camera_opening(camera.camera_id, camera.enrolment), entropy.take(LEAF_SALT_SIZE_BYTES))
        catalogue.enrol(CameraRow(camera.camera_id, serial, camera.enrolment), (leaf,))
    finally:
        catalogue.close()
    return EnrolledCamera(camera.camera_id, place)


def require_serial(serial: str) -> None:
    """Refuse what is no serial: it becomes a folder's name.

    Raises:
        SettingsFault: it is none.
    """
    if SERIAL.fullmatch(serial) is None:
        raise SettingsFault(
            f"{serial!r} is no serial",
            expected="1 to 32 of A-Z, 0-9 and -, beginning with a letter or a digit",
            next_step="write it as it stands on the camera",
        )


def _require_fresh(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise SettingsFault(
            f"{folder} is not an empty folder",
            expected="a new folder, or an empty one",
            next_step="name another: nothing of an agency is ever written over",
        )


def _require_names(agency: str, docks: tuple[str, ...], worker: str, broker_host: str, broker_port: int) -> None:
    """Refuse before anything is made what would be refused, or worse, later: names become paths and topics."""
    wrong = [
        (
            not 1 <= len(agency) <= AGENCY_CHARACTERS_MAX,
            f"agency {agency!r}",
            f"1 to {AGENCY_CHARACTERS_MAX} characters",
        ),
        *((not is_dock_name(dock), f"dock {dock!r}", "dock- and 1 to 27 of a-z, 0-9, -") for dock in docks),
        (len(set(docks)) != len(docks), f"docks {', '.join(docks)}", "each name once"),
        (not is_worker_name(worker), f"worker {worker!r}", "ingest- and 1 to 25 of a-z, 0-9, -"),
        (HOST.fullmatch(broker_host) is None, f"broker host {broker_host!r}", "a host's name or address"),
        (not 1 <= broker_port <= 65_535, f"broker port {broker_port}", "1 to 65535"),
    ]
    for is_wrong, found, expected in wrong:
        if is_wrong:
            raise SettingsFault(found, expected=expected, next_step="write another; nothing was made")


def _require_unknown(catalogue: SqliteCatalogue, serial: str, found_id: bytes, place: Path) -> None:
    same = [row for row in catalogue.cameras() if row.enrolment and (row.serial == serial or row.camera_id == found_id)]
    if same:
        raise SettingsFault(
            f"camera {same[0].serial} is enrolled already with id {same[0].camera_id.hex()}",
            expected="a serial and a device key that are both new",
            next_step="choose another serial; a camera with a new key is a new camera",
        )
    if place.exists():
        raise SettingsFault(
            f"{place} is there already, although no camera {serial} is enrolled",
            expected="no such folder",
            next_step="look what it is, move it away, and enrol again",
        )


def _write_camera(place: Path, camera: NewCamera) -> None:
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            _write_files(partial, camera.files)
            partial.rename(place)
            _sync_folder(place.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise _unwritable(place, error) from error


def _issue_certificates(
    folder: Path, agency: str, docks: tuple[str, ...], worker: str, broker_host: str, now: datetime
) -> None:
    _make_private_folder(folder / "tls")
    authority = CertificateAuthority.create(folder / "tls", agency=agency, now=now)
    hosts = tuple(dict.fromkeys((broker_host, "localhost", "127.0.0.1")))
    authority.issue("broker", Usage.BROKER, folder=folder / "tls", now=now, hosts=hosts)
    for name, place in ((worker, folder / "central"), *((dock, folder / "docks" / dock) for dock in docks)):
        authority.issue(name, Usage.CLIENT, folder=place, now=now)
        write_new(place / "ca.pem", authority.ca_file.read_bytes())


def _write_files(folder: Path, files: Iterable[NewFile]) -> None:
    for file in files:
        path = folder / file.path
        _make_private_folder(path.parent)
        write_new(path, file.data, mode=0o600 if file.is_secret else 0o644)


def _make_private_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700)
        path.chmod(stat.S_IRWXU)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(folder: Path, error: OSError) -> SettingsFault:
    return SettingsFault(
        f"{folder} cannot be made ({error.strerror})",
        expected="a place that this user may write to, with space left",
        next_step="name another folder, or check owner, mode and free space",
    )
