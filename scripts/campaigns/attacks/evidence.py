"""The evidence that is attacked: two cameras, their shifts with media, key boxes and receipts, all from fixed keys.

What cannot be drawn twice alike (HPKE draws) is drawn from names: a key box has its real form, and the verifier only hashes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from protocol.canonical import digest, encode
from protocol.entries import EntryPlace
from protocol.keys import key_id
from protocol.layout import CHAIN_NAME, shift_folder_name
from protocol.policy import Root, sign_policy
from protocol.units import SEALED_KEY_SIZE_BYTES
from protocol.verdict import Finding, Verdict
from protocol.verify.chain import ChainReport
from protocol.verify.files import succession_findings
from protocol.verify.shift import ShiftEvidence, judge
from tests.protocol.folders import Folder, evidence_of, folder_of
from tests.protocol.shifts import Device, KeyBoxOf, Shift, entry_key, make_shift, secret
from tests.protocol.trust import Agency, make_agency

Evidence = Mapping[str, Folder]

ROOT_KEYS: Final = tuple(sorted((entry_key(f"tamper/root {n}") for n in range(3)), key=lambda key: key.public_key))
ROOT: Final = Root(threshold=2, keys=tuple(key.public_key for key in ROOT_KEYS))


def agency_of(name: str = "agency", **changes: object) -> Agency:
    """Return an agency whose policies take two of three root keys; ``changes`` are to its policy."""
    agency = make_agency(name, **changes)
    return under_root(agency, ROOT_KEYS[:2]) if name == "agency" else agency


def under_root(agency: Agency, signers: Iterable[object]) -> Agency:
    """Return the agency with its policy signed by these of the three root keys."""
    by = tuple(key for key in ROOT_KEYS if key in signers)
    return replace(agency, signed_policy=sign_policy(agency.policy, ROOT, by), root_fingerprint=ROOT.fingerprint)


AGENCY: Final = agency_of()
POLICY_HASH: Final = digest("sealcam/1 policy", AGENCY.policy.encoded())
CAMERA: Final = Device("camera")
OTHER_CAMERA: Final = Device("other camera")
THIEF: Final = Device("thief")


def box_maker(shift_name: str, agency: Agency = AGENCY) -> KeyBoxOf:
    """Return what makes key boxes of real form for a shift of this name."""
    shift_id = secret(f"{shift_name}/id", 16)

    def key_box_of(recording_id: bytes, content_key: bytes) -> bytes:
        recipients = [
            [role, key_id(key), secret(f"{role}/{recording_id.hex()}/{key_id(key).hex()}", SEALED_KEY_SIZE_BYTES)]
            for role, key in (("vault", agency.policy.vault_key), ("escrow", agency.policy.escrow_key))
        ]
        return encode([1, shift_id, recording_id, recipients])

    return key_box_of


@dataclass(frozen=True)
class Written:
    """A shift with its number and the folder that central has of it."""

    shift: Shift
    number: int
    folder: Folder

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return shift_folder_name(self.number, self.shift.shift_id)

    @property
    def evidence(self) -> dict[str, Folder]:
        """Return the shift alone, as evidence."""
        return {self.name: self.folder}

    def with_chain(self, chain: bytes) -> dict[str, Folder]:
        """Return the shift with another chain file."""
        return self.with_files({CHAIN_NAME: chain})

    def with_files(self, changes: Mapping[str, bytes | None]) -> dict[str, Folder]:
        """Return the shift with other files; None takes one away."""
        changed: dict[str, bytes | None] = {**self.folder, **changes}
        return {self.name: {name: data for name, data in changed.items() if data is not None}}


def without_receipts(written: Written) -> dict[str, bytes | None]:
    """Return the change that takes a shift's receipts away."""
    return {name: None for name in written.folder if name.endswith(".receipt")}


def write(
    story: str,
    name: str,
    *,
    number: int = 1,
    previous: EntryPlace | None = None,
    device: Device = CAMERA,
    agency: Agency = AGENCY,
    part_repeats: int = 8,
    **more: object,
) -> Written:
    """Return a shift as it stands at central; ``more`` goes to `make_shift`."""
    shift = make_shift(
        story, name=name, device=device, number=number, previous=previous, part_repeats=part_repeats,
        key_box_of=box_maker(name, agency), policy_hash=digest("sealcam/1 policy", agency.policy.encoded()),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return Written(shift, number, folder_of(shift, agency=agency))


@dataclass(frozen=True)
class Archive:
    """All that is attacked: four shifts of one camera that follow each other, and two of another."""

    own: tuple[Written, ...]
    other: tuple[Written, ...]

    @property
    def day(self) -> Written:
        """Return the richest shift: two recordings, all kinds of parts, a mute, a mark, a power-off; no gap."""
        return self.own[0]

    @property
    def shifts(self) -> tuple[Written, ...]:
        """Return every shift."""
        return (*self.own, *self.other)

    def all_of(self, *written: Written) -> dict[str, Folder]:
        """Return several shifts together."""
        return {one.name: one.folder for one in written or self.shifts}


DAY: Final = "Oeahe[cdmqcQCc]h[cd]xeprkhu[c]Z"
STORIES: Final = (DAY, "Oa[ccRh[dc]meZ", "OepreZ", "O(cc]lL[g]Z")
OTHER_STORIES: Final = ("Oe[cdcC]a[c]hZ", "O[cd]Z")


def _succession(stories: tuple[str, ...], name: str, device: Device) -> tuple[Written, ...]:
    written: list[Written] = []
    for number, story in enumerate(stories, start=1):
        previous = written[-1].shift.last if written else None
        written.append(write(story, f"{name}/{number}", number=number, previous=previous, device=device))
    return tuple(written)


@cache
def archive() -> Archive:
    """Return what is attacked, the same bytes in every process."""
    return Archive(_succession(STORIES, "tamper", CAMERA), _succession(OTHER_STORIES, "tamper/other", OTHER_CAMERA))


@dataclass
class Verifier:
    """The verdict as `sealcam-verify` gives it; a shift that nobody touched is read once and kept."""

    _kept: dict[tuple[str, int, bytes | None], tuple[Folder, ShiftEvidence | None, tuple[Finding, ...]]] = field(
        default_factory=dict
    )

    def __call__(self, evidence: Evidence, root: bytes | None) -> Verdict:
        """Return the verdict on shifts by folder."""
        problems: list[Finding] = []
        shifts: list[ShiftEvidence] = []
        reports: dict[str, ChainReport] = {}
        for name in sorted(evidence):
            found, issues = self._read(name, evidence[name], root)
            problems += issues
            if found is not None:
                shifts.append(found)
                reports[name] = found.report
        return judge(shifts, findings=[*problems, *succession_findings(reports)])

    def _read(self, name: str, folder: Folder, root: bytes | None) -> tuple[ShiftEvidence | None, tuple[Finding, ...]]:
        is_untouched = any(folder is written.folder for written in archive().shifts)
        key = (name, id(folder), root)
        if is_untouched and key in self._kept:
            return self._kept[key][1:]
        found, issues = evidence_of(folder, name=name, root=root)
        if is_untouched:
            self._kept[key] = (folder, found, issues)
        return found, issues
