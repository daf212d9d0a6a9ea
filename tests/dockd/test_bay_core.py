import pytest

from dockd.station.core import arrival
from dockd.station.core.bay import EMPTY, Holding, Task, is_read_again, strangers, tasks, verified_shifts
from dockd.station.ports import ShiftPlace, SpooledFile
from protocol.layout import CHAIN_NAME, key_box_name, media_name, parse_file_name
from protocol.link.messages import ListedFile
from protocol.verdict import Finding, Place
from tests.builders import BuiltShift, build_shift, make_agency, make_camera

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)


@pytest.fixture(scope="module")
def shifts(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltShift, BuiltShift]:
    root = tmp_path_factory.mktemp("card")
    first = build_shift(root, agency=AGENCY, camera=CAMERA, recordings=2, media_files=2, chunks=2)
    second = build_shift(
        root, agency=AGENCY, camera=CAMERA, number=2, recordings=3, chunks=2, marked=(1,), previous=first.last
    )
    return first, second


def listing(*shifts: BuiltShift) -> tuple[ListedFile, ...]:
    files = [(shift.folder, name, len(data)) for shift in shifts for name, data in shift.files.items()]
    return tuple(ListedFile(folder=folder, name=name, size_bytes=size) for folder, name, size in sorted(files))


def place(shift: BuiltShift) -> ShiftPlace:
    return ShiftPlace(CAMERA.camera_id, shift.folder)


def holding(shift: BuiltShift, *names: str, freed: tuple[str, ...] = ()) -> Holding:
    files = {name: SpooledFile(name, len(shift.files[name]), is_complete=True) for name in names}
    return Holding(files, shift.report if CHAIN_NAME in names else None, frozenset(freed))


def order(found: tuple[Task, ...]) -> list[tuple[str, str]]:
    return [(task.place.folder, task.name) for task in found]


def test_all_chains_travel_before_anything_else(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, second = shifts

    assert order(tasks(CAMERA.camera_id, listing(*shifts), {})) == [
        (first.folder, CHAIN_NAME),
        (second.folder, CHAIN_NAME),
    ]


def test_key_boxes_travel_before_media_and_marked_media_before_the_rest(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, second = shifts
    holdings = {place(shift): holding(shift, CHAIN_NAME) for shift in shifts}
    boxes = [(shift.folder, key_box_name(recording.recording_id)) for shift in shifts for recording in shift.recordings]
    ids = [recording.recording_id for recording in second.recordings]
    media = [
        (second.folder, media_name(ids[1], 0)),
        *((first.folder, media_name(recording.recording_id, n)) for recording in first.recordings for n in (0, 1)),
        (second.folder, media_name(ids[0], 0)),
        (second.folder, media_name(ids[2], 0)),
    ]

    assert order(tasks(CAMERA.camera_id, listing(*shifts), holdings)) == [*boxes, *media]


def test_what_is_complete_or_freed_is_not_read_again(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, _ = shifts
    media = [name for name in first.files if name.endswith(".media")]
    others = [name for name in first.files if name not in media]
    done = {place(first): holding(first, *others, freed=tuple(media))}

    assert tasks(CAMERA.camera_id, listing(first), done) == ()
    assert verified_shifts(CAMERA.camera_id, listing(first), done) == {place(first)}


def test_a_partly_spooled_file_is_read_from_where_it_ends(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, _ = shifts
    partly = Holding({CHAIN_NAME: SpooledFile(CHAIN_NAME, 100, is_complete=False)}, None, frozenset())
    (task,) = tasks(CAMERA.camera_id, listing(first), {place(first): partly})

    assert (task.have_bytes, task.size_bytes) == (100, len(first.files[CHAIN_NAME]))


def test_a_shift_is_verified_only_with_its_last_file(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, _ = shifts
    names = list(first.files)

    for missing in names:
        partly = {place(first): holding(first, *(name for name in names if name != missing))}
        assert verified_shifts(CAMERA.camera_id, listing(first), partly) == frozenset(), missing
    whole = {place(first): holding(first, *names)}
    assert verified_shifts(CAMERA.camera_id, listing(first), whole) == {place(first)}


def test_media_of_a_shift_without_a_chain_do_not_wait_for_one(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, _ = shifts
    files = tuple(file for file in listing(first) if file.name != CHAIN_NAME)

    assert len(tasks(CAMERA.camera_id, files, {})) == len(files)


def test_files_with_other_names_are_strangers_and_are_not_read() -> None:
    folder = f"shift-000001-{'a' * 32}"
    files = (
        ListedFile(folder=folder, name="notes.txt", size_bytes=1),
        ListedFile(folder="elsewhere", name=CHAIN_NAME, size_bytes=1),
    )

    assert tasks(CAMERA.camera_id, files, {}) == ()
    assert strangers(files) == files


@pytest.mark.parametrize(
    ("kind", "reads", "is_again"),
    [
        ("part-hash-mismatch", 1, True),
        ("media-short", 1, True),
        ("part-hash-mismatch", 2, False),
        ("frames-dropped", 1, False),
        ("kind-unknown", 1, False),
    ],
)
def test_only_what_the_line_may_have_done_is_read_a_second_time(kind: str, reads: int, is_again: bool) -> None:
    finding = Finding(kind=kind, place=Place(), text="")

    assert is_read_again((finding,), reads=reads) == is_again


def arrive(shift: BuiltShift, name: str, data: bytes, *, has_report: bool = True, piece: int = 777) -> list[str]:
    parsed = parse_file_name(name)
    assert parsed is not None
    task = Task(place(shift), name, parsed, len(data), 0)
    report = shift.report if has_report else None
    found = arrival.begin(task, camera_key=CAMERA.device.public_key, report=report)
    for at in range(0, len(data), piece):
        found.feed(data[at : at + piece])
    return [finding.kind for finding in found.finish()]


def test_what_the_camera_sealed_arrives_without_findings(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    for shift in shifts:
        for name, data in shift.files.items():
            assert arrive(shift, name, data) == [], name


def test_every_changed_file_has_a_finding(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, _ = shifts
    for name, data in first.files.items():
        hurt = bytearray(data)
        hurt[len(hurt) // 2] ^= 1
        assert arrive(first, name, bytes(hurt)) != [], name
        assert arrive(first, name, data[:-1]) != [], name


def test_a_chain_in_another_shifts_folder_is_a_finding(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, second = shifts

    assert arrive(first, CHAIN_NAME, second.files[CHAIN_NAME]) == ["entry-out-of-sequence"]


def test_media_that_the_chain_does_not_describe_are_a_finding(shifts: tuple[BuiltShift, BuiltShift]) -> None:
    first, second = shifts
    name = next(name for name in second.files if name.endswith(".media"))

    assert arrive(first, name, second.files[name]) == ["file-unknown"]
    assert arrive(first, media_name(first.recordings[0].recording_id, 7), b"x") == ["file-unknown"]
    assert arrive(first, name, b"x", has_report=False) == ["chain-missing"]


def test_an_empty_holding_has_nothing() -> None:
    assert not EMPTY.has(CHAIN_NAME)
