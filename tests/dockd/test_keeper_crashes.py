"""Central dies before or after each durable step of keeping a file, and starts again (I3, I8).

A step is every writing call of the object store and of the catalogue. What must hold after each death: a receipt is
there only when all that it names can be read; the dock, which asks and sends again, ends with the receipts; and a
receipt once shown has the same bytes for ever.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.errors import StagedGone
from dockd.central.ports import Catalogue, Kept, ObjectStore, ShiftKey
from protocol.receipt import ReceiptWithProof, RecordingSubject, verify_receipt
from protocol.verify.media import MediaVerifier
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera
from tests.dockd.evidence import Central, Offer, again, chain_of, flipped, new_central, offers_of, part_of

STORE_STEPS: Final = frozenset({"move", "put", "remove", "settle"})
CATALOGUE_STEPS: Final = frozenset({"apply", "published", "quarantine"})
STEPS_MAX: Final = 60


class PowerCut(BaseException):
    """The process ends here; no handler of ours may stop it."""


class Cutter:
    """Counts durable steps and cuts the power at one of them, before it or after it took effect."""

    def __init__(self, at: int, *, is_done_first: bool) -> None:
        self.count = 0
        self._at = at
        self._is_done_first = is_done_first

    def wrap(self, port: ObjectStore | Catalogue) -> Any:
        return _Cut(port, self)

    def step(self, call: Callable[[], object]) -> object:
        self.count += 1
        if self.count == self._at and not self._is_done_first:
            raise PowerCut
        result = call()
        if self.count == self._at:
            raise PowerCut
        return result


class _Cut:
    def __init__(self, port: ObjectStore | Catalogue, cutter: Cutter) -> None:
        self._port = port
        self._cutter = cutter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in STORE_STEPS | CATALOGUE_STEPS:
            return method
        return lambda *args, **named: self._cutter.step(lambda: method(*args, **named))


@pytest.fixture
def agency() -> Agency:
    return make_agency()


@pytest.fixture
def camera(agency: Agency) -> Camera:
    return make_camera(agency)


@pytest.fixture
def shift(tmp_path: Path, agency: Agency, camera: Camera) -> BuiltShift:
    return build_shift(tmp_path / "card", agency=agency, camera=camera, recordings=1, chunks=2)


def cuts(tmp_path: Path, run: Callable[[Central], object], agency: Agency, camera: Camera) -> Iterator[Central]:
    """Give central after a restart, once for each step of ``run`` and each side of it; ends when ``run`` ends uncut."""
    for is_done_first in (False, True):
        for at in range(1, STEPS_MAX):
            central = new_central(tmp_path / f"central-{at}-{is_done_first}", agency)
            central.enrol(camera)
            cutter = Cutter(at, is_done_first=is_done_first)
            living = Central(central.folder, agency, central.vault, wrap=cutter.wrap)
            try:
                run(living)
            except PowerCut:
                yield again(central)
                continue
            assert at > 1, "no durable step was seen"
            break
        else:
            pytest.fail(f"more than {STEPS_MAX} durable steps")


def send(central: Central, offer: Offer) -> Kept:
    """Do what dock and ingest do: ask, and send what is not stored; a staged file that is still there is used."""
    kept = central.keeper.receipts_for(offer.description)
    if kept is not None:
        return kept
    staged = central.objects / "staging" / offer.description.transfer.hex()
    if staged.exists():
        try:
            return central.keeper.keep(offer.description, staged)
        except StagedGone:
            pass
    return central.keep(offer)


def assert_receipts_are_true(central: Central, shift: BuiltShift, agency: Agency, camera: Camera) -> None:
    """I3: whatever a receipt names can be read back and verifies; each receipt waits for the ledger, or is in it."""
    assert SqliteLeafQueue(central.folder / "catalogue.sqlite").receipts_without_leaf(9) == ()
    report = shift.report
    folder = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}"
    key = ShiftKey(camera.camera_id, shift.shift_id)
    shown = [row.signed for row in central.catalogue.receipts(key)]
    shown += [file.read_bytes() for file in folder.glob("*.receipt")]
    for signed in shown:
        receipt = verify_receipt(signed, agency.policy)
        assert (folder / "chain").read_bytes() == shift.files["chain"]
        if isinstance(receipt.subject, RecordingSubject):
            view = next(view for view in report.recordings if view.recording_id == receipt.subject.recording_id)
            for file in view.media:
                name = f"{view.recording_id.hex()}.{file.number:04d}.media"
                verifier = MediaVerifier(view, file.number, file=name)
                verifier.feed((folder / name).read_bytes())
                assert verifier.finish() == ()
            name = f"{view.recording_id.hex()}.keybox"
            box = central.objects / f"keyboxes/{camera.camera_id.hex()}/{shift.folder}/{name}"
            assert box.read_bytes() == shift.files[name]


def test_a_death_at_any_step_leaves_no_false_receipt_and_all_receipts_arrive(
    tmp_path: Path, shift: BuiltShift, agency: Agency, camera: Camera
) -> None:
    offers = offers_of(shift, camera)
    count = 0
    for central in cuts(tmp_path, lambda living: living.keep_all(offers), agency, camera):
        count += 1
        assert_receipts_are_true(central, shift, agency, camera)
        for offer in offers:
            send(central, offer)
        shown = [central.keeper.receipts_for(offer.description) for offer in offers]
        assert all(kept is not None and len(kept.receipts) == 1 and kept.held_reason is None for kept in shown)
        assert [again(central).keeper.receipts_for(offer.description) for offer in offers] == shown
        assert_receipts_are_true(central, shift, agency, camera)
        folder = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}"
        assert {file.read_bytes() for file in folder.glob("*.receipt")} == {
            kept.receipts[0].signed for kept in shown if kept is not None
        }
        assert central.catalogue.outbox() == ()
        assert central.objects_below("staging") == {}
        assert central.objects_below("quarantine") == {}
    assert count >= 20, f"only {count} deaths"


def test_a_receipt_that_was_shown_before_a_death_is_the_one_shown_after_it(
    tmp_path: Path, shift: BuiltShift, agency: Agency, camera: Camera
) -> None:
    """Commit, then speak: nothing is taken back."""
    offers = offers_of(shift, camera)
    shown: dict[str, tuple[ReceiptWithProof, ...]] = {}

    def keep_and_note(living: Central) -> None:
        shown.clear()
        for offer in offers:
            shown[offer.description.name] = living.keep(offer).receipts

    for central in cuts(tmp_path, keep_and_note, agency, camera):
        before = {name: receipts for name, receipts in shown.items() if receipts}
        for offer in offers:
            send(central, offer)
        for offer in offers:
            kept = central.keeper.receipts_for(offer.description)
            assert kept is not None
            assert before.get(offer.description.name, kept.receipts) == kept.receipts


def test_a_death_while_a_damaged_file_is_set_apart_loses_neither_it_nor_the_true_one(
    tmp_path: Path, shift: BuiltShift, agency: Agency, camera: Camera
) -> None:
    offers = offers_of(shift, camera)
    media = part_of(offers, "media")
    bad = media.changed(flipped(media.data))

    def keep_bad(living: Central) -> None:
        living.keep(chain_of(offers))
        living.keep(bad)

    for central in cuts(tmp_path, keep_bad, agency, camera):
        for offer in (chain_of(offers), bad):
            send(central, offer)
        central.clock.advance(3_600_000)
        for offer in offers:
            send(central, offer)
        kept = central.keeper.receipts_for(media.description)
        assert kept is not None
        assert len(kept.receipts) == 1
        assert bad.data in central.objects_below("quarantine").values()
        assert_receipts_are_true(central, shift, agency, camera)


def test_a_death_between_the_two_halves_of_a_rename_is_mended(
    tmp_path: Path, shift: BuiltShift, agency: Agency, camera: Camera
) -> None:
    """The store renames without replacing by a second link and an unlink: a crash between them leaves both names."""
    central = new_central(tmp_path / "central", agency)
    central.enrol(camera)
    chain = chain_of(offers_of(shift, camera))
    staged = central.stage(chain)
    place = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}/chain"
    place.parent.mkdir(parents=True)
    os.link(staged, place)

    kept = again(central).keeper.keep(chain.description, staged)

    assert len(kept.receipts) == 1
    assert place.read_bytes() == chain.data
    assert not staged.exists()
