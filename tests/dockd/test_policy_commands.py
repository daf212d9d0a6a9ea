"""`sealcam-central policy`: from a draft by way of the root's keys to the places where it is read; and what is refused on the way."""

import stat
from pathlib import Path

import pytest

from dockd.central.__main__ import main
from protocol.errors import BadSignature
from protocol.policy import parse_signed_policy, verify_policy
from tests.dockd.provisioned import Provisioned, provision

Capture = pytest.CaptureFixture[str]
CAMERA = "00112233445566778899aabbccddeeff"
WITNESS = "9f" * 32


@pytest.fixture
def made(tmp_path: Path) -> Provisioned:
    return provision(tmp_path / "agency")


def draft_of(made: Provisioned, tmp_path: Path, *changes: str, name: str = "next.policy") -> Path:
    file = tmp_path / name
    assert main(["policy", "new", str(made.folder), "--out", str(file), *(changes or ("--revoke-camera", CAMERA))]) == 0
    return file


def sign(made: Provisioned, file: Path, *numbers: int) -> None:
    for number in numbers:
        assert main(["policy", "sign", str(file), "--key", str(made.folder / f"root/root-{number}.key")]) == 0


def test_a_policy_goes_from_draft_to_every_place_that_reads_it(
    made: Provisioned, tmp_path: Path, capsys: Capture
) -> None:
    file = draft_of(made, tmp_path)
    sign(made, file, 3, 1)

    assert main(["policy", "publish", str(made.folder), str(file)]) == 0

    places = sorted(path for path in made.folder.rglob("policy") if path.is_file())
    assert [str(path.relative_to(made.folder)) for path in places] == [
        "cameras/CAM-1/policy", "central/policy", "docks/dock-a/policy", "policy/policy",
    ]  # fmt: skip
    for place in places:
        policy = verify_policy(place.read_bytes()).policy
        assert (policy.version, policy.revoked_cameras) == (2, (bytes.fromhex(CAMERA),))
        assert policy.central_keys == made.agency.policy.central_keys
    out = capsys.readouterr().out
    assert f"adds revoked camera {CAMERA}" in out
    assert "stands in 4 places" in out


def test_a_draft_says_how_many_must_still_sign(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    file = draft_of(made, tmp_path)
    assert "2 of 3 root keys must" in capsys.readouterr().out
    sign(made, file, 2)
    assert "1 more must sign" in capsys.readouterr().out
    with pytest.raises(BadSignature):
        verify_policy(file.read_bytes())
    sign(made, file, 3)
    assert "policy publish" in capsys.readouterr().out

    assert main(["policy", "show", str(file), "--against", str(made.folder / "policy/policy")]) == 0
    out = capsys.readouterr().out
    assert "policy version 2 of City of Example" in out
    assert "signed by 2 of 3 root keys, 2 needed" in out
    assert "version 2 against version 1: 1 changes" in out


def test_too_few_signatures_are_not_published(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    file = draft_of(made, tmp_path)
    sign(made, file, 1)
    before = {path: path.read_bytes() for path in made.folder.rglob("policy") if path.is_file()}

    assert main(["policy", "publish", str(made.folder), str(file)]) == 2
    assert "1 root signatures, 2 expected" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_one_key_that_signs_twice_counts_once(made: Provisioned, tmp_path: Path) -> None:
    file = draft_of(made, tmp_path)
    sign(made, file, 1, 1)

    assert parse_signed_policy(file.read_bytes()).signature_count == 1


def test_a_version_never_falls_and_none_is_published_twice(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    first = draft_of(made, tmp_path, "--revoke-camera", CAMERA, name="first")
    other = draft_of(made, tmp_path, "--revoke-camera", CAMERA[::-1], name="other")
    for file in (first, other):
        sign(made, file, 1, 2)
    first_version = (made.folder / "policy/policy").read_bytes()
    assert main(["policy", "publish", str(made.folder), str(first)]) == 0

    assert main(["policy", "publish", str(made.folder), str(other)]) == 2
    assert "version 2, and version 2 is published" in capsys.readouterr().err
    old = tmp_path / "old"
    old.write_bytes(first_version)
    assert main(["policy", "publish", str(made.folder), str(old)]) == 2
    assert "version never falls" in capsys.readouterr().err


def test_publishing_that_was_cut_short_is_done_again(made: Provisioned, tmp_path: Path) -> None:
    file = draft_of(made, tmp_path)
    sign(made, file, 1, 2)
    (made.folder / "central/policy").write_bytes(file.read_bytes())  # as far as it had come

    assert main(["policy", "publish", str(made.folder), str(file)]) == 0
    assert main(["policy", "publish", str(made.folder), str(file)]) == 0
    assert verify_policy((made.folder / "docks/dock-a/policy").read_bytes()).policy.version == 2


def test_another_root_cannot_take_over(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    stranger = provision(tmp_path / "stranger", name="stranger")
    file = draft_of(stranger, tmp_path)
    sign(stranger, file, 1, 2)

    assert main(["policy", "publish", str(made.folder), str(file)]) == 2
    assert "which every device pins" in capsys.readouterr().err
    assert main(["policy", "sign", str(file), "--key", str(made.folder / "root/root-1.key")]) == 2
    assert "none of the root's 3 keys" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (("--restore-camera", CAMERA), "is not in the policy, so it cannot be taken out"),
        (("--remove-central-key", WITNESS), f"central key {WITNESS} is not in the policy"),
        (("--witness-threshold", "1"), "1 witnesses are asked for, 0 are named"),
        (("--add-witness-key", WITNESS, "--witness-threshold", "1"), "no ledger is named for them to see"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_before_anybody_signs(
    made: Provisioned, tmp_path: Path, capsys: Capture, changes: tuple[str, ...], why: str
) -> None:
    file = tmp_path / "next.policy"

    assert main(["policy", "new", str(made.folder), "--out", str(file), *changes]) == 2
    assert why in capsys.readouterr().err
    assert not file.exists()


def test_a_central_key_is_rotated_in_two_steps(made: Provisioned, tmp_path: Path) -> None:
    """First both keys, then the new one alone: what the old one signed is accepted until every device knows the second policy."""
    old = made.agency.central.public_key.hex()
    for number, changes in enumerate((("--add-central-key", WITNESS), ("--remove-central-key", old))):
        file = draft_of(made, tmp_path, *changes, name=f"step-{number}")
        sign(made, file, 1, 2)
        assert main(["policy", "publish", str(made.folder), str(file)]) == 0

    assert verify_policy((made.folder / "central/policy").read_bytes()).policy.central_keys == (bytes.fromhex(WITNESS),)


def test_an_existing_file_is_no_place_for_a_draft(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    file = draft_of(made, tmp_path)
    before = file.read_bytes()

    assert main(["policy", "new", str(made.folder), "--out", str(file), "--revoke-camera", CAMERA]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_key_that_others_can_read_signs_nothing(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    file, key = draft_of(made, tmp_path), made.folder / "root/root-1.key"
    key.chmod(0o640)

    assert main(["policy", "sign", str(file), "--key", str(key)]) == 2
    assert "mode 0640" in capsys.readouterr().err
    assert parse_signed_policy(file.read_bytes()).signature_count == 0


def test_what_is_no_policy_is_said_to_be_none(made: Provisioned, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "garbage"
    file.write_bytes(b"garbage")

    assert main(["policy", "show", str(file)]) == 2
    assert "expected a policy" in capsys.readouterr().err


def test_modes_stay_as_they_were(made: Provisioned, tmp_path: Path) -> None:
    place = made.folder / "central/policy"
    before = stat.S_IMODE(place.stat().st_mode)
    file = draft_of(made, tmp_path)
    sign(made, file, 1, 2)
    assert main(["policy", "publish", str(made.folder), str(file)]) == 0

    assert stat.S_IMODE(place.stat().st_mode) == before
    assert not list(made.folder.rglob(".policy.*"))
