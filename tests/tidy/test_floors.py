"""The floors hold, and each check of them fails on a tree that breaks them."""

import ast

import pytest

from tests.tidy.floors import foreign_imports, impurities, reached_from, upward_imports
from tests.tidy.tree import modules, python_sources


def test_every_import_goes_down() -> None:
    assert upward_imports(modules()) == []


def test_every_library_stays_on_its_floor() -> None:
    assert foreign_imports(modules()) == []


def test_cores_and_protocol_are_pure() -> None:
    assert impurities(modules()) == []


def test_the_frame_counter_reaches_nothing_of_what_it_checks() -> None:
    reached = reached_from("hw_sim.count_frames", modules())

    assert "hw_sim.count_frames" in reached
    assert [module for module in reached if not module.startswith("hw_sim")] == []


def test_the_packages_that_are_checked_are_all_there_are() -> None:
    assert {module.split(".")[0] for module in modules()} == {"protocol", "firmware", "dockd", "hw_sim"}
    assert len(modules()) > 40
    for path, source in python_sources().items():
        ast.parse(source, filename=path)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocol.chain", "import firmware.ports"),
        ("protocol.chain", "from dockd.shared import tls"),
        ("protocol.__main__", "from hw_sim import scene"),
        ("firmware.app.loop", "from dockd.shared.errors import DockdError"),
        ("firmware.adapters.clock", "import hw_sim.manual_clock"),
        ("dockd.station.app.bays", "from dockd.central.ports import Keeper"),
        ("dockd.station.app.bays", "from dockd import central"),
        ("dockd.central.app.ingest", "import dockd.station.core.session"),
        ("dockd.central.app.ingest", "import firmware"),
        ("dockd.shared.tls", "from dockd.central.core import policy"),
        ("hw_sim.scene", "from firmware.core.ring import Ring"),
        ("hw_sim.scene", "from firmware import core"),
        ("hw_sim.scene", "from hw_sim.bench.broker import MosquittoBroker"),
        ("hw_sim.bench.run", "import tests.tidy.tree"),
        ("firmware.core.ring", "from firmware.adapters.files import Disk"),
        ("firmware.core.ring", "from firmware.app import loop"),
        ("firmware.adapters.files", "from firmware.app.loop import run"),
        ("firmware.app.loop", "from firmware.adapters.files import Disk"),
        ("dockd.central.app.ingest", "from dockd.central.__main__ import main"),
        ("firmware.core.ring", "def f() -> None:\n    from dockd import station"),
        ("firmware.core.ring", "import importlib\nimportlib.import_module('hw_sim.scene')"),
        ("firmware.core.ring", "__import__('hw_sim')"),
        ("protocol.chain", "from importlib import import_module\nimport_module(name)"),
    ],
)
def test_an_import_that_goes_up_is_found(module: str, source: str) -> None:
    assert len(upward_imports({module: source})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocol.verify.chain", "from protocol.entries import Chunk"),
        ("firmware.core.ring", "from firmware.ports import EncodedFrame\nfrom protocol.entries import Chunk"),
        ("firmware.__main__", "from firmware.adapters.files import Disk\nfrom firmware.app.loop import run"),
        (
            "dockd.central.app.ingest",
            "from dockd.shared.tls import client_context\nfrom dockd.central.core import place",
        ),
        ("hw_sim.scene", "from firmware.ports import Camera\nfrom dockd.station.ports import Line"),
        ("hw_sim.bench.run", "import firmware.app.loop\nimport dockd.central.app.ingest\nimport hw_sim.scene"),
        ("protocol.chain", "import hashlib"),
    ],
)
def test_an_import_that_goes_down_is_allowed(module: str, source: str) -> None:
    assert upward_imports({module: source}) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocol.chain", "import numpy"),
        ("protocol.__main__", "from rich.table import Table"),
        ("firmware.app.loop", "import serial"),
        ("firmware.core.ring", "import av"),
        ("dockd.central.app.ingest", "from sqlalchemy import select"),
        ("dockd.central.core.place", "import obstore"),
        ("dockd.station.adapters.broker", "import sqlalchemy"),
        ("dockd.station.app.offload", "import paho.mqtt.client"),
        ("hw_sim.scene", "import rich"),
    ],
)
def test_a_library_on_the_wrong_floor_is_found(module: str, source: str) -> None:
    assert len(foreign_imports({module: source})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocol.keys", "from cryptography.hazmat.primitives.asymmetric import ec\nimport hashlib"),
        ("firmware.adapters.line", "import serial"),
        ("dockd.central.adapters.catalogue", "import sqlalchemy.orm"),
        ("hw_sim.bench.run", "import rich.live\nimport numpy as np"),
    ],
)
def test_a_library_on_its_own_floor_is_allowed(module: str, source: str) -> None:
    assert foreign_imports({module: source}) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("firmware.core.ring", "import time"),
        ("firmware.core.ring", "from os import path"),
        ("firmware.core.ring", "from pathlib import Path"),
        ("dockd.station.core.session", "import threading"),
        ("dockd.central.core.place", "from random import Random"),
        ("protocol.verify.media", "import socket"),
        ("protocol.chain", "open('x', 'rb')"),
        ("protocol.chain", "key = Ed25519PrivateKey.generate()"),
        ("firmware.core.session", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        ("firmware.core.session", "def f() -> None:\n    print('here')"),
    ],
)
def test_an_impure_core_is_found(module: str, source: str) -> None:
    assert len(impurities({module: source})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocol.__main__", "import sys\nopen('x')"),
        ("firmware.app.loop", "import time"),
        ("firmware.core.layout", "from pathlib import PurePosixPath\nimport datetime\nimport struct"),
    ],
)
def test_what_may_be_impure_is_let_be(module: str, source: str) -> None:
    assert impurities({module: source}) == []


def test_reaching_follows_every_import() -> None:
    tree = {"a": "", "a.b": "from c.d import thing", "c": "import e", "c.d": "", "e": "", "f": ""}

    assert reached_from("a.b", tree) == {"a", "a.b", "c", "c.d", "e"}
