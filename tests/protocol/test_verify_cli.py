"""`sealcam-verify` as a person meets it: files on a disk, an exit code, a sentence. The program itself runs here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.__main__ import main
from protocol.units import CHAIN_SIZE_BYTES_MAX
from tests.protocol.folders import Folder, folder_of, name_of
from tests.protocol.shifts import Device, make_shift, records, spliced
from tests.protocol.trust import AGENCY, POLICY_HASH, make_agency

ROOT = AGENCY.root_fingerprint.hex()
SHIFT = make_shift("O[ccc]e[cc]Z", policy_hash=POLICY_HASH)
FOLDER = folder_of(SHIFT)
NAME = name_of(SHIFT)
MEDIA, OTHER_MEDIA = (next(name for name in SHIFT.media if name.startswith(each.hex())) for each in SHIFT.recording_ids)
CHAIN = FOLDER["chain"]
SOURCE = Path(__file__).resolve().parents[2]
Capture = pytest.CaptureFixture[str]


def write(root: Path, folder: Folder = FOLDER, name: str = NAME) -> Path:
    """Write a folder below ``root`` and return ``root``."""
    (root / name).mkdir(parents=True)
    for file, data in folder.items():
        (root / name / file).write_bytes(data)
    return root


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_whole_shift_is_authentic_and_the_exit_code_0(tmp_path: Path, capsys: Capture) -> None:
    code = main([str(write(tmp_path)), "--root", ROOT])

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("Authentic: 2 recordings, nothing altered and nothing missing (assurance 2")
    assert f"recording {SHIFT.recording_ids[0].hex()}       3.0 s      3 chunks" in out
    assert out.count("bytes  receipted\n") == 2
    assert "Altered or incomplete:" not in out
    assert "Notes:" not in out
    assert f"Root fingerprint {ROOT} (confirmed: it is the one given with --root)." in out


def test_without_a_root_to_compare_the_exit_code_is_0_and_the_reader_is_told_to_compare(
    tmp_path: Path, capsys: Capture
) -> None:
    code = main([str(write(tmp_path))])

    out = capsys.readouterr().out
    assert code == 0
    assert "who issued them is not confirmed" in out
    assert f"Root fingerprint {ROOT} (not confirmed)." in out
    assert "Compare it with the one that the agency published" in out


TAMPERED: dict[str, tuple[Folder, str]] = {
    "a flipped byte of the chain's first record": (FOLDER | {"chain": flipped(CHAIN, 0)}, f"{NAME}/chain, byte 0"),
    "a flipped byte of the chain": (FOLDER | {"chain": flipped(CHAIN, 1500)}, f"file {NAME}/chain"),
    "a flipped byte of media": (FOLDER | {MEDIA: flipped(FOLDER[MEDIA], 70)}, f"file {NAME}/{MEDIA}"),
    "a removed chunk": (FOLDER | {"chain": records(spliced(SHIFT.entries, at=3, insert=(), drop=1))}, "entry 4"),
    "a swapped pair": (
        FOLDER | {"chain": records(spliced(SHIFT.entries, at=2, insert=SHIFT.entries[3:1:-1], drop=2))},
        "entry 3",
    ),
    "a cut tail": (FOLDER | {"chain": CHAIN[:-300]}, "chain-not-closed"),
    "a cut media file": (FOLDER | {MEDIA: FOLDER[MEDIA][:-1]}, "media-short"),
    "media of another recording": (FOLDER | {MEDIA: FOLDER[OTHER_MEDIA]}, "chunk 0, part init"),
    "a chain of another camera": (
        FOLDER | {"chain": make_shift(SHIFT.story, device=Device("other")).chain},
        "camera-mismatch",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_gives_exit_code_1_and_the_place(what: str, tmp_path: Path, capsys: Capture) -> None:
    folder, place = TAMPERED[what]

    code = main([str(write(tmp_path, folder)), "--root", ROOT])

    out = capsys.readouterr().out
    assert code == 1
    assert out.startswith("Altered or incomplete: ")
    assert place in out


def test_another_root_than_the_one_given_is_told_apart_from_none_given(tmp_path: Path, capsys: Capture) -> None:
    main([str(write(tmp_path)), "--root", "00" * 32])

    out = capsys.readouterr().out
    assert "It is not the one given with --root: this was issued by somebody else" in out
    assert "Compare it with the one that the agency published" not in out


def test_findings_stand_under_the_title_of_their_class(tmp_path: Path, capsys: Capture) -> None:
    folder = {name: data for name, data in FOLDER.items() if not name.endswith(".receipt")}
    main([str(write(tmp_path, folder | {MEDIA: flipped(FOLDER[MEDIA], 70)})), "--root", ROOT])

    out = capsys.readouterr().out
    assert out.count("bytes  no receipt at hand\n") == 2
    assert "\nAltered or incomplete:\n  part-hash-mismatch: " in out
    assert "\nNotes:\n  receipt-missing: " in out
    assert "Issuer:" not in out


@pytest.mark.parametrize("name", ["chain", MEDIA])
def test_a_chain_is_read_up_to_its_limit_and_media_to_their_end(name: str, tmp_path: Path, capsys: Capture) -> None:
    size_bytes = CHAIN_SIZE_BYTES_MAX + 12_345
    os.truncate(write(tmp_path) / NAME / name, size_bytes)

    assert main([str(tmp_path), "--root", ROOT]) == 1
    out = capsys.readouterr().out
    if name == "chain":
        assert (
            f"the chain has {CHAIN_SIZE_BYTES_MAX + 1} bytes; what follows byte {CHAIN_SIZE_BYTES_MAX} was not read"
            in out
        )
    else:
        assert f"{size_bytes - len(FOLDER[MEDIA])} bytes that no chunk describes" in out


def test_without_a_policy_there_is_no_fingerprint_to_show(tmp_path: Path, capsys: Capture) -> None:
    main([str(write(tmp_path, {name: data for name, data in FOLDER.items() if name != "policy"}))])

    assert "fingerprint" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        (FOLDER, "00" * 32),
        ({name: data for name, data in FOLDER.items() if name != "policy"}, None),
        ({name: data for name, data in FOLDER.items() if name != "enrolment"}, None),
        (folder_of(SHIFT, agency=make_agency(revoked_cameras=(SHIFT.device.camera_id,))), None),
        (FOLDER | {"x.receipt": b"forged"}, None),
    ],
)
def test_what_is_found_about_the_issuer_gives_exit_code_1(folder: Folder, root: str | None, tmp_path: Path) -> None:
    assert main([str(write(tmp_path, folder)), *(["--root", root] if root else [])]) == 1


@pytest.mark.parametrize(
    "folder", [{"chain": b""}, {"chain": b"garbage" * 999}, {MEDIA: b"x"}, {"chain": bytes(100_000)}]
)
def test_garbage_gives_exit_code_2(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    code = main([str(write(tmp_path, folder))])

    assert code == 2
    assert capsys.readouterr().out.startswith("No Sealcam chain could be read here.")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "nowhere is not there; give a folder that holds a shift's chain and media files"),
        (["file"], "file is a file; give a folder"),
        (["empty"], "empty holds no file named chain at any depth"),
        (["good", "--root", "12"], "--root '12' is no fingerprint: give the 64 hex digits"),
        (["good", "--root", "zz" * 32], "is no fingerprint"),
        (["good", "--root", "file"], "--root 'file' is no fingerprint"),
        (["good", "--policy", "nowhere"], "cannot read nowhere: No such file or directory"),
        (["good", "--enrolment", "nowhere"], "cannot read nowhere: No such file or directory"),
        (["good", "--policy", "empty"], "cannot read empty: Is a directory"),
    ],
)
def test_unusable_input_gives_exit_code_2_and_one_sentence(
    arguments: list[str], why: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a fingerprint")
    monkeypatch.chdir(tmp_path)

    code = main(arguments)

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("sealcam-verify: ")
    assert captured.err.count("\n") == 1
    assert why in captured.err


def test_an_unknown_option_gives_exit_code_2(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--what"])

    assert caught.value.code == 2


def test_the_fingerprint_may_stand_in_a_file_and_be_written_as_people_write_it(tmp_path: Path) -> None:
    pairs = ":".join(ROOT[at : at + 2].upper() for at in range(0, 64, 2))
    (tmp_path / "root").write_text(f"{pairs[:47]}\n{pairs[48:]}\n")

    assert main([str(write(tmp_path / "o")), "--root", str(tmp_path / "root")]) == 0
    assert main([str(tmp_path / "o"), "--root", f" {ROOT.upper()} "]) == 0


def test_policy_and_enrolment_may_come_from_elsewhere(tmp_path: Path) -> None:
    folder = {name: data for name, data in FOLDER.items() if name not in ("policy", "enrolment")}
    write(tmp_path / "o", folder)
    for name in ("policy", "enrolment"):
        (tmp_path / name).write_bytes(FOLDER[name])
    given = ["--policy", str(tmp_path / "policy"), "--enrolment", str(tmp_path / "enrolment")]

    assert main([str(tmp_path / "o"), "--root", ROOT, *given]) == 0
    assert main([str(tmp_path / "o"), "--root", ROOT]) == 1


def test_the_json_is_one_object_with_everything_in_it(tmp_path: Path, capsys: Capture) -> None:
    code = main([str(write(tmp_path, FOLDER | {MEDIA: flipped(FOLDER[MEDIA], 3)})), "--root", ROOT, "--json"])

    verdict = json.loads(capsys.readouterr().out)
    assert code == 1
    assert set(verdict) == {
        "verdict", "assurance", "sentence", "findings", "recordings", "shift_count", "entry_count", "receipt_count",
        "root_fingerprint", "is_root_confirmed",
    }  # fmt: skip
    (found,) = verdict["findings"]
    assert (found["kind"], found["place"]["file"], found["place"]["offset_bytes"]) == (
        "part-hash-mismatch", f"{NAME}/{MEDIA}", 0,
    )  # fmt: skip


def test_several_shifts_below_one_folder_get_one_verdict(tmp_path: Path, capsys: Capture) -> None:
    after = make_shift("O[c]Z", name="next", number=2, previous=SHIFT.last, policy_hash=POLICY_HASH)
    write(tmp_path / "a")
    write(tmp_path / "b", folder_of(after), name_of(after, 2))

    assert main([str(tmp_path), "--root", ROOT]) == 0
    assert capsys.readouterr().out.startswith("Authentic: 3 recordings")

    (tmp_path / "b" / name_of(after, 2) / "chain").write_bytes(b"x")

    assert main([str(tmp_path), "--root", ROOT]) == 1
    assert f"b/{name_of(after, 2)}/chain: nothing in the file is an entry" in capsys.readouterr().out


def test_a_shifts_own_folder_may_be_given_and_its_name_counts(tmp_path: Path, capsys: Capture) -> None:
    other = NAME[:-1] + ("0" if NAME[-1] != "0" else "1")
    write(tmp_path)
    write(tmp_path / "moved", FOLDER, other)

    assert main([str(tmp_path / NAME), "--root", ROOT]) == 0
    assert main([str(tmp_path / "moved" / other), "--root", ROOT]) == 1
    assert "not of the one that its folder is named for" in capsys.readouterr().out


def test_names_from_the_evidence_do_not_reach_the_terminal_as_they_are(tmp_path: Path, capsys: Capture) -> None:
    """A folder may be named by whoever made it: with escape sequences, or with bytes that are no text."""
    name = b"\x1b[2J\xff\xfe\n" + NAME.encode()
    root = write(tmp_path, FOLDER | {MEDIA: b"x"}, os.fsdecode(name))

    assert main([str(root), "--root", ROOT]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2J\\udcff\\udcfe\\n" in out
    assert main([str(root), "--json"]) == 1
    json.loads(capsys.readouterr().out)
    assert main([os.fsdecode(os.fsencode(tmp_path) + b"/no\x1b\xff")]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path: Path, capsys: Capture) -> None:
    """What is in it would be missing from the verdict without a word. Here its path is too long for the system."""
    write(tmp_path)
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=deep)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)

    code = main([str(tmp_path), "--root", ROOT])
    shutil.rmtree(tmp_path / ("d" * 250))

    assert code == 2
    assert "File name too long" in capsys.readouterr().err


def test_the_program_runs_from_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "protocol", str(write(tmp_path)), "--root", ROOT, "--json"],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"] == "authentic"


def test_the_timeline_says_when_the_camera_recorded_and_when_not(tmp_path: Path, capsys: Capture) -> None:
    assert main([str(write(tmp_path)), "--root", ROOT, "--shift"]) == 0
    out = capsys.readouterr().out
    assert f"{NAME}, by the camera's clock (UTC):" in out
    assert out.count(" recording ") > out.count(" not recording ") > 1
    assert f"recording {SHIFT.recording_ids[0].hex()}  (entries " in out

    assert main([str(tmp_path), "--root", ROOT, "--shift", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    spans = found["shifts"][0]["spans"]
    assert found["verdict"] == "authentic"
    assert {span["state"] for span in spans} == {"recording", "not recording"}
    assert [span["recording_id"] for span in spans if span["recording_id"]] == [
        recording_id.hex() for recording_id in SHIFT.recording_ids
    ]
