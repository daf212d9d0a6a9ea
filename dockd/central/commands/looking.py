"""`list`, `show` and `play`: what central has, said and opened."""

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from dockd.central.app.playing import Player
from dockd.central.commands.opening import open_central
from dockd.central.core.views import as_data, as_table, as_text
from dockd.central.errors import SettingsFault


def list_recordings(config: Path, *, as_json: bool) -> int:
    """Print all recordings; 0 always, since what is missing may still come."""
    states, quarantined = open_central(config).viewer.everything()
    if as_json:
        rows = [{"object": row.object_name, "reason": row.reason} for row in quarantined]
        print(json.dumps({"recordings": [as_data(state) for state in states], "quarantined": rows}, indent=2))
    else:
        print(as_table(states, quarantined))
    return 0


def show(config: Path, prefix: str, *, as_json: bool) -> int:
    """Print one recording and the verdict on its shift; 0 when it is authentic, 1 when there are findings."""
    viewer = open_central(config).viewer
    recording = viewer.find(prefix)
    state, verdict = viewer.state_of(recording), viewer.verdict_on(recording)
    if as_json:
        print(json.dumps({**as_data(state), "verdict": verdict.model_dump(mode="json")}, indent=2))
    else:
        print(as_text(state))
        print(f"verdict    {verdict.sentence}")
        for finding in verdict.findings:
            print(f"  {finding.sentence()}")
    return 0 if verdict.verdict.startswith("authentic") else 1


def play(config: Path, prefix: str, *, out: Path, reason: str) -> int:
    """Write a recording's MP4 to ``out``, whole or not at all."""
    if os.path.lexists(out):
        raise SettingsFault(
            f"{out} is there already",
            expected="a file that is still to be made: nothing is written over",
            next_step="name another file with --out",
        )
    opened = open_central(config)
    recording = opened.viewer.find(prefix)
    player = Player(store=opened.store, catalogue=opened.catalogue, chains=opened.chains, vault=opened.vault)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise _unwritable(out, error) from error
    partial = Path(name)
    size_bytes = 0
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for data in player.mp4(recording, reason=reason):
                size_bytes += stream.write(data)
        os.link(partial, out)  # unlike a rename, never over a file that appeared in the meantime
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    print(f"{out}: {size_bytes:,d} bytes, recording {recording.recording_id.hex()}", file=sys.stderr)
    return 0


def _unwritable(out: Path, error: OSError) -> SettingsFault:
    return SettingsFault(
        f"{out} cannot be written ({error.strerror})",
        expected="a folder that this user may write to, with space left",
        next_step="name another file with --out",
    )
