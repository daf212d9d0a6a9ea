"""Finds recordings in the catalogue, and gives the verdict on the shift that one belongs to."""

from collections.abc import Iterator

from dockd.central.core.names import shift_prefix
from dockd.central.core.views import RecordingState, quarantined_of
from dockd.central.errors import EvidenceFault
from dockd.central.ports import Catalogue, ObjectStore, QuarantineRow, RecordingRow, ShiftRow
from protocol.verdict import Verdict
from protocol.verify.files import read_shift
from protocol.verify.shift import judge, judge_trust


class Viewer:
    """Looks, and changes nothing."""

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue, root_fingerprint: bytes) -> None:
        """Take where recordings are, and the root that the settings pin."""
        self._store = store
        self._catalogue = catalogue
        self._root_fingerprint = root_fingerprint

    def everything(self) -> tuple[tuple[RecordingState, ...], tuple[QuarantineRow, ...]]:
        """Return all recordings, the earliest first, and all that is in quarantine."""
        states = tuple(self.state_of(recording) for recording in self._catalogue.recordings())
        return states, self._catalogue.quarantined()

    def find(self, prefix: str) -> RecordingRow:
        """Return the recording whose id begins with ``prefix``.

        Raises:
            EvidenceFault: there is none, or more than one.
        """
        digits = prefix.lower()
        found = [row for row in self._catalogue.recordings() if digits and row.recording_id.hex().startswith(digits)]
        if len(found) != 1:
            several = ", ".join(row.recording_id.hex()[:16] for row in found[:4])
            raise EvidenceFault(
                f"{prefix!r} names {len(found)} recordings ({several})"
                if found
                else f"no recording begins with {prefix!r}",
                expected="the first digits of one recording's id",
                next_step="look them up with `sealcam-central list`",
            )
        return found[0]

    def state_of(self, recording: RecordingRow) -> RecordingState:
        """Return what the catalogue knows of a recording."""
        key = recording.key
        receipts = self._catalogue.receipts(key)
        return RecordingState(
            recording=recording,
            shift=self._shift(recording),
            camera=self._catalogue.camera(key.camera_id),
            files=self._catalogue.files(key),
            receipt=next((row for row in receipts if row.recording_id == recording.recording_id), None),
            quarantined=quarantined_of(recording, self._catalogue.quarantined(key)),
        )

    def verdict_on(self, recording: RecordingRow) -> Verdict:
        """Return the verdict on the recording's whole shift, from the stored bytes alone (I5)."""
        prefix = shift_prefix(recording.key.camera_id, self._shift(recording).folder)
        sizes = {item.name.removeprefix(f"{prefix}/"): item.size_bytes for item in self._store.names(prefix)}
        trust = judge_trust(
            signed_policy=self._small(prefix, "policy", sizes),
            enrolment=self._small(prefix, "enrolment", sizes),
            root_fingerprint=self._root_fingerprint,
        )

        def read(name: str) -> Iterator[bytes]:
            return (bytes(piece) for piece in self._store.pieces(f"{prefix}/{name}"))

        folder = self._shift(recording).folder
        evidence, findings = read_shift(folder=folder, names=sorted(sizes), read=read, trust=trust)
        return judge([] if evidence is None else [evidence], findings=findings)

    def _small(self, prefix: str, name: str, sizes: dict[str, int]) -> bytes | None:
        return b"".join(self._store.pieces(f"{prefix}/{name}")) if name in sizes else None

    def _shift(self, recording: RecordingRow) -> ShiftRow:
        shift = self._catalogue.shift(recording.key)
        assert shift is not None
        return shift
