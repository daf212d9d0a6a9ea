"""The house is in order, and each check of it fails on a house that is not."""

import os

import pytest

from tests.tidy.house import (
    DOCUMENTS,
    FILE_LINES_MAX,
    FOLDERS,
    LONGER_FILES,
    broken_citations,
    long_files,
    machine_words,
    undocumented_modules,
    unlisted_packages,
    unlocked,
    wrong_modes,
)
from tests.tidy.tree import PACKAGES, ROOT, files, name, python_sources, text_sources

# Apart from its slash, so that the bad examples below are not citations themselves.
SPEC = "spec"


def specification() -> dict[str, str]:
    return {page.name: page.read_text() for page in (ROOT / "protocol/spec").glob("*.md")}


def locks() -> dict[str, str]:
    # dev first: the others are held against it.
    texts = {lock.stem: lock.read_text() for lock in sorted((ROOT / "scripts/lock").glob("*.txt"))}
    return {"dev": texts.pop("dev"), **texts}


def programs() -> dict[str, tuple[str, bool]]:
    return {
        name(file): (file.read_bytes()[:200].decode(errors="replace"), os.access(file, os.X_OK))
        for file in files()
        if name(file).split("/")[0] in {"scripts", ".ci"}
    }


def test_no_file_is_too_long() -> None:
    assert long_files(python_sources(), LONGER_FILES) == []


def test_every_citation_leads_to_a_section() -> None:
    assert specification()
    assert broken_citations(text_sources(), specification()) == []


def test_no_file_names_one_machine() -> None:
    assert machine_words(text_sources()) == []


def test_every_public_module_says_what_it_is_for() -> None:
    packaged = {path: text for path, text in python_sources().items() if path.split("/")[0] in PACKAGES}

    assert undocumented_modules(packaged) == []


def test_every_folder_of_code_is_a_package() -> None:
    folders = {file.parent for file in files() if file.suffix == ".py" and name(file).split("/")[0] in PACKAGES}

    assert [name(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_top_level_folders_are_the_fixed_ones() -> None:
    visible = {path.parts[0] for file in files() if len((path := file.relative_to(ROOT)).parts) > 1}

    assert {folder for folder in visible if not folder.startswith(".")} == FOLDERS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_house_has_its_documents(document: str) -> None:
    assert (ROOT / document).stat().st_size > 0


def test_the_licence_is_the_whole_apache_licence() -> None:
    licence = (ROOT / "LICENSE").read_text()

    assert "Apache License\n" in licence
    assert "Version 2.0, January 2004" in licence
    assert "9. Accepting Warranty or Additional Liability." in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_programs_can_be_run() -> None:
    assert {"scripts/bench", "scripts/test", "scripts/lock_dependencies", ".ci/run"} <= programs().keys()
    assert wrong_modes(programs()) == []


def test_locks_hold_what_the_project_asks_for() -> None:
    assert unlocked((ROOT / "pyproject.toml").read_text(), locks()) == []


def test_every_locked_package_is_listed_with_its_licence() -> None:
    assert unlisted_packages((ROOT / "THIRD-PARTY.md").read_text(), locks()) == []


def test_a_file_that_is_too_long_is_found() -> None:
    sources = {"a.py": "x\n" * (FILE_LINES_MAX + 1), "b.py": "x\n" * FILE_LINES_MAX}

    assert len(long_files(sources, {})) == 1
    assert long_files(sources, {"a.py": "one clear job"}) == []
    assert len(long_files(sources, {"a.py": ""})) == 1
    assert len(long_files(sources, {"a.py": "one clear job", "b.py": "not needed"})) == 1
    assert len(long_files(sources, {"a.py": "one clear job", "gone.py": "not needed"})) == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"as {SPEC}/01-encoding.md, 1.1 says", 0),
        (f"as {SPEC}/01-encoding.md, 1.1 and 1.2 say", 0),
        (f"as {SPEC}/01-encoding.md says", 0),
        (f"as {SPEC}/01-encoding.md, 1.3 says", 1),
        (f"as {SPEC}/01-encoding.md, 1.1 and 1.3 say", 1),
        (f"as {SPEC}/01-encoding.md, 1.10 says", 1),
        (f"as {SPEC}/09-gone.md, 1.1 says", 1),
        (f"as {SPEC}/09-gone.md says", 1),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str, count: int) -> None:
    pages = {"01-encoding.md": "# 1. Encoding\n\n## 1.1 One\n\n## 1.2 Two\n"}

    assert len(broken_citations({"a.py": text}, pages)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("cd /wo" + "rk/main", 1),
        ("/ro" + "ot/.cache", 1),
        ("/ho" + "me/me/x", 1),
        ("see ../sha" + "red/design", 1),
        ("--index-url https://py" + "pi.org/simple", 1),
        ("http://deb.debi" + "an.org", 1),
        ("the folder dockd/shared/tls.py, net/work and a/root/b", 0),
    ],
)
def test_a_word_of_one_machine_is_found(text: str, count: int) -> None:
    assert len(machine_words({"a.md": f"first\n{text}\n"})) == count


def test_a_module_without_a_docstring_is_found() -> None:
    sources = {"a/b.py": "import os", "a/__init__.py": "", "a/_hidden.py": "", "a/c.py": '"""What it is for."""'}

    assert undocumented_modules(sources) == ["a/b.py", "a/__init__.py"]


def test_a_program_that_cannot_be_run_is_found() -> None:
    assert len(wrong_modes({"scripts/a": ("#!/usr/bin/env bash\n", False)})) == 1
    assert len(wrong_modes({"scripts/a": ("echo\n", True)})) == 1
    assert wrong_modes({"scripts/a": ("#!/usr/bin/env bash\n", True), "scripts/b.txt": ("b", False)}) == []


PROJECT = """
[project]
dependencies = ["cbor2>=6"]
[project.optional-dependencies]
dock = ["pyserial>=3.5"]
bench = ["rich>=14", "sealcam[dock]"]
dev = ["pytest>=9"]
[dependency-groups]
build = ["setuptools>=80"]
"""
HASH = " \\\n    --hash=sha256:00\n"
CBOR2 = f"cbor2==6.3.0{HASH}"
LOCKS = {
    "dev": f"{CBOR2}pyserial==3.5{HASH}rich==15.0.0{HASH}pytest==9.2.0{HASH}",
    "verify": CBOR2,
    "dock": f"{CBOR2}pyserial==3.5{HASH}",
    "bench": f"{CBOR2}pyserial==3.5{HASH}rich==15.0.0{HASH}",
    "build": f"setuptools==84.2.1{HASH}",
}


def test_a_lock_that_holds_everything_is_allowed() -> None:
    assert unlocked(PROJECT, LOCKS) == []


@pytest.mark.parametrize(
    ("lock", "text"),
    [
        ("verify", ""),
        ("verify", f"cbor2==5.9.0{HASH}"),
        ("verify", f"cbor2==6.2.0{HASH}"),
        ("verify", "cbor2==6.3.0\n"),
        ("bench", f"{CBOR2}rich==15.0.0{HASH}"),
        ("verify", f"cbor2[more]==5.9.0{HASH}"),
        ("dev", f"{CBOR2}pyserial==3.5{HASH}rich==15.0.0{HASH}"),
    ],
)
def test_a_lock_that_lacks_something_is_found(lock: str, text: str) -> None:
    assert unlocked(PROJECT, {**LOCKS, lock: text}) != []


def test_a_lock_that_is_not_there_is_found() -> None:
    without = {lock: text for lock, text in LOCKS.items() if lock != "build"}

    assert unlocked(PROJECT, without) == ["scripts/lock/build.txt is not there"]


def test_a_package_without_a_row_is_found() -> None:
    table = "| name | version | licence |\n| --- | --- | --- |\n| CBOR2 | 6.3.0 | MIT |\n"

    assert unlisted_packages(table, {"verify": CBOR2}) == []
    assert unlisted_packages(table, {"verify": f"cbor2==6.4.0{HASH}"}) == ["cbor2 6.4.0"]
    assert unlisted_packages(table, {"verify": f"numpy==2.4.6{HASH}"}) == ["numpy 2.4.6"]
