"""Opens a recording for somebody to look at: each part checked against the chain, then decrypted, in order.

The MP4 is the init part, then the video and audio fragments as they are (spec/03-recording.md, 3.3). The content key
comes from the vault, for a reason that the vault writes down, and lives as long as the playing.
"""

from collections.abc import Iterator
from typing import Final

from dockd.central.app.chains import StoredChains
from dockd.central.core.names import file_object
from dockd.central.errors import EvidenceFault
from dockd.central.ports import Catalogue, ObjectStore, RecordingRow, ShiftRow, Vault
from protocol.entries import Chunk
from protocol.errors import BadSignature
from protocol.keybox import key_box_hash
from protocol.layout import key_box_name, media_name
from protocol.sealing import PartSealer, part_hash
from protocol.verify.recordings import RecordingView

_PLAYED_KINDS: Final = frozenset({"init", "video", "audio"})


class Player:
    """Reads recordings out of the store."""

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue, chains: StoredChains, vault: Vault) -> None:
        """Take where recordings are, and who opens them."""
        self._store = store
        self._catalogue = catalogue
        self._chains = chains
        self._vault = vault

    def mp4(self, recording: RecordingRow, *, reason: str) -> Iterator[bytes]:
        """Yield the recording's MP4, a part at a time.

        Raises:
            EvidenceFault: a part is not what the camera signed, or is not there.
            VaultRefused, VaultAway: the content key cannot be had.
        """
        shift = self._catalogue.shift(recording.key)
        assert shift is not None
        report = self._chains.report(recording.key)
        view = next(view for view in report.recordings if view.recording_id == recording.recording_id)
        assert view.opened is not None
        key_box = b"".join(self._store.pieces(file_object(shift, key_box_name(recording.recording_id))))
        if key_box_hash(key_box) != view.opened.key_box_hash:
            raise _changed(f"the key box of recording {recording.recording_id.hex()}")
        content_key = self._vault.open(key_box, view.opened.content_key_commitment, reason=reason)
        sealer = PartSealer(
            shift_id=recording.key.shift_id, recording_id=recording.recording_id, content_key=content_key
        )
        return self._parts(shift, view, sealer)

    def _parts(self, shift: ShiftRow, view: RecordingView, sealer: PartSealer) -> Iterator[bytes]:
        for chunk_view in view.chunks:
            yield from self._chunk(shift, view, chunk_view.chunk, sealer)

    def _chunk(self, shift: ShiftRow, view: RecordingView, chunk: Chunk, sealer: PartSealer) -> Iterator[bytes]:
        name = file_object(shift, media_name(view.recording_id, chunk.media_number))
        offset_bytes = chunk.offset_bytes
        for part in chunk.parts:
            ciphertext = self._store.read(name, offset_bytes, part.size_bytes)
            place = f"part {part.kind} of chunk {chunk.index}, byte {offset_bytes} of {name}"
            offset_bytes += part.size_bytes
            if part_hash(ciphertext) != part.hash:
                raise _changed(place)
            if part.kind in _PLAYED_KINDS:
                try:
                    yield sealer.open(chunk.index, part, ciphertext)
                except BadSignature as error:
                    raise _changed(f"{place} ({error})") from None


def _changed(what: str) -> EvidenceFault:
    return EvidenceFault(
        f"{what} is not what the camera signed",
        expected="the bytes that were stored",
        next_step="verify the shift's folder with sealcam-verify, and restore it from a backup",
    )
