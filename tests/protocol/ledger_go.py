"""Go's checksum database as a second opinion: builds the program of go_peer/ and puts questions to it."""

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).with_name("go_peer") / "main.go"
# Where Debian's golang-golang-x-mod-dev puts its sources; nothing is fetched.
GO_PATH: Final = Path("/usr/share/gocode")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Go said to one question; ``error`` is empty where it agreed."""

    error: str
    text: str
    data: bytes
    names: tuple[str, ...]
    paths: tuple[str, ...]
    size: int
    hashes: tuple[bytes, ...]


class GoPeer:
    """The built program."""

    def __init__(self, folder: Path) -> None:
        """Build it into ``folder``."""
        go = shutil.which("go")
        assert go is not None, "found no go on PATH; as root: apt-get install golang-go"
        assert (GO_PATH / "src/golang.org/x/mod/sumdb").is_dir(), "as root: apt-get install golang-golang-x-mod-dev"
        self._program = folder / "go_peer"
        world = {
            "GO111MODULE": "off",
            "GOPATH": str(GO_PATH),
            "GOCACHE": str(folder / "cache"),
            "GOFLAGS": "",
            "GOPROXY": "off",
        }
        built = subprocess.run(
            [go, "build", "-o", str(self._program), str(SOURCE)],
            env=os.environ | world,
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stderr

    def ask(self, questions: list[dict[str, Any]]) -> list[Answer]:
        """Return the answers to all questions, out of one process; bytes go as base64."""
        asked = subprocess.run(
            [str(self._program)], input=json.dumps(_plain(questions)), capture_output=True, text=True, check=False
        )
        assert asked.returncode == 0, asked.stderr
        answers = [_answer(value) for value in json.loads(asked.stdout)]
        assert len(answers) == len(questions)
        return answers


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _answer(value: dict[str, Any]) -> Answer:
    return Answer(
        value["error"],
        value["text"],
        b64decode(value["bytes"] or ""),
        tuple(value["names"] or ()),
        tuple(value["paths"] or ()),
        value["size"],
        tuple(b64decode(one) for one in value["list"] or ()),
    )
