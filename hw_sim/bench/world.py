"""The bench's world: an agency in one folder, its programs as child processes, and the cable between camera and dock.

DIR/agency/   what `sealcam-central provision` makes: root, policy, keys, TLS, settings of each program
DIR/central/  central's store                 DIR/card/   the camera's card (or --card)
DIR/spool/    the dock's disk (or --spool)    DIR/mp4/    recordings, decrypted through the vault
DIR/logs/     what each program wrote         DIR/events.jsonl  everything that was said
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from hw_sim.ack_only_broker import AckOnlyBroker
from hw_sim.bench.agency import BenchAgency
from hw_sim.bench.broker_process import BenchBroker
from hw_sim.bench.children import Child, ChildEvent, EventLog, OnEvent
from hw_sim.bench.exposure import Exposure
from hw_sim.bench.options import PartFault, RunOptions
from hw_sim.bench.recorded import Recorded, load_recorded, save_recorded
from hw_sim.bench.witnesses import find_witnesses
from hw_sim.cable import SerialCable
from protocol.policy import Policy

_FAULT_WORDS: Final[dict[PartFault, str]] = {
    "central-stopped": "central's ingest worker is stopped",
    "broker-acknowledges-only": "the broker is replaced by one that acknowledges and delivers nothing",
    "vault-wrong-key": "the vault is started again with a key that opens nothing",
    "witness-stopped": "one of the witnesses is stopped",
}


class World:
    """Everything that a run needs, running or stopped; use as a context manager, so that nothing is left behind."""

    def __init__(
        self, out: Path, agency: BenchAgency, broker: BenchBroker, *, options: RunOptions, on_event: OnEvent
    ) -> None:
        """Take a provisioned agency; nothing is started."""
        self.out, self.agency = out, agency
        self._options = options
        self.card = options.card_folder or out / "card"
        self.spool = options.spool_folder or out / "spool"
        self.logs, self.mp4_folder = out / "logs", out / "mp4"
        self.events_file = out / "events.jsonl"
        for folder in (self.card, self.spool, self.logs, self.mp4_folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.events = EventLog(file=self.events_file, on_event=on_event)
        self.cable = SerialCable(out / "ports", seed=options.seed)
        self.broker = broker
        self._liar: AckOnlyBroker | None = None
        self.frame_rate_mhz = options.frame_rate_mhz
        self.camera = self._child("camera", *self._camera_arguments())
        self.dock = self._child("dock", "-m", "dockd.station", "run", "--config", str(agency.dock_settings), "--events")
        self.ingest = self._child(
            "central", "-m", "dockd.central", "ingest", "--config", str(agency.central_settings), "--events"
        )
        self.vault = self._child("vault", "-m", "dockd.central", "vault", "--config", str(agency.vault_settings))
        self._ledger = self._child(
            "ledger", "-m", "dockd.central", "ledger", "--config", str(agency.central_settings), "--events"
        )
        self._places = find_witnesses(out)
        self._witnesses = tuple(
            self._child(
                place.name, "-m", "dockd.central", "witness", "run", "--config", str(place.settings), "--events"
            )
            for place in self._places
        )
        self.children: tuple[Child, ...] = ()

    def __enter__(self) -> "World":
        """Return the world; `start` starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, the camera first: what it holds is durable."""
        for child in (self.camera, self.dock, self.ingest, self._ledger, *self._witnesses, self.vault):
            child.stop()
        if self._liar is not None:
            self._liar.stop()
        self.broker.stop()
        self.cable.close()

    @property
    def policy(self) -> Policy:
        """Return the policy that every part pins."""
        return self.agency.policy.policy

    @property
    def root_fingerprint(self) -> bytes:
        """Return what the agency publishes."""
        return self.agency.policy.root.fingerprint

    @property
    def sealed(self) -> Path:
        """Return the folder with chains and media files as central holds them."""
        return self.agency.storage_folder / "objects"

    def start(self, options: RunOptions) -> None:
        """Start broker, vault, central, dock and camera, with the camera in the dock; a camera at a port comes by itself."""
        self.broker.start()
        for place in self._places:
            place.move_to_free_port()
        dock_port = self.cable.dock_port if options.camera_port is None else options.camera_port
        self.agency.write_settings(
            broker=self.broker, broker_ca=self._options.broker_ca, dock_port=dock_port, camera_port=self.cable.camera_port,
            card=self.card, spool=self.spool, pre_event_s=options.pre_event_s,
            witnesses=self._places,
        )  # fmt: skip
        self.children = (self.vault, self.ingest, self.dock, *self._witnesses)
        if self.agency.has_ledger:
            self.children += (self._ledger,)
        if options.camera_port is None:
            self.cable.plug()
            self.children += (self.camera,)
        for child in self.children:
            child.start()

    def break_by(self, fault: PartFault) -> str:
        """Break one part as ``fault`` says, and return it in words."""
        if fault == "central-stopped":
            self._without(self.ingest).stop()
        elif fault == "broker-acknowledges-only":
            self.broker.stop()
            tls = self.agency.broker_tls
            self._liar = AckOnlyBroker(
                ca_file=tls.ca_file, certificate_file=tls.certificate_file, key_file=tls.key_file,
                deliver_retained=True, port=self.broker.port,
            )  # fmt: skip
            self._liar.start()
        elif fault == "witness-stopped":
            self._without(self._witnesses[-1]).stop()
        else:
            self._without(self.vault).stop()
            wrong = self.agency.write_wrong_vault()
            self.vault = self._child("vault", "-m", "dockd.central", "vault", "--config", str(wrong))
            self.children += (self.vault,)
            self.vault.start()
        return _FAULT_WORDS[fault]

    def _without(self, child: Child) -> Child:
        """Return a child that may end from here on."""
        self.children = tuple(other for other in self.children if other is not child)
        return child

    def require_alive(self) -> None:
        """Raise the fault of the first child that ended and should not have.

        Raises:
            BenchError: a program is gone.
        """
        for child in self.children:
            if not child.is_running:
                raise child.gone()

    def stop_camera(self) -> None:
        """Power the camera off in order; its card can be looked at then."""
        self._without(self.camera).stop()

    def restart_camera(self) -> int | None:
        """Start the camera's program again, which has ended by itself, and return its exit code.

        The sensor of the new one looks at the same scene, and knows what the one before exposed.
        """
        code = self.camera.wait()
        told = [event.fields for event in self.events.all() if (event.child, event.name) == ("camera", "sensor-ended")]
        before = Exposure.parse(json.dumps(told[-1])) if told else None
        is_watched = self.camera in self.children
        others = tuple(child for child in self.children if child is not self.camera)
        self.camera = self._child("camera", *self._camera_arguments(before))
        self.children = (*others, self.camera) if is_watched else others
        self.camera.start()
        return code

    def trouble(self) -> str | None:
        """Return the last sentence in which a program said why something does not go on."""
        said = [event for event in self.events.all() if event.name in ("trouble", "held", "quarantined")]
        return self._sentence(said[-1]) if said else None

    def play_command(self, recording_id: str, path: Path) -> list[str]:
        """Return the command that decrypts a recording through the vault."""
        settings = str(self.agency.central_settings)
        reason = "the bench counts its frames"
        return [
            sys.executable, "-m", "dockd.central", "play", recording_id, "--out", str(path), "--reason", reason, "--config", settings,
        ]  # fmt: skip

    def relative(self, path: Path) -> str:
        """Return a path below the world's folder, for the report."""
        return str(path.relative_to(self.out))

    def remember(self, recorded: tuple[Recorded, ...]) -> None:
        """Keep what a later run cannot ask the sensor any more."""
        save_recorded(recorded, self.out / "recorded.json")

    def remembered(self) -> tuple[Recorded, ...]:
        """Return what an earlier run kept."""
        return load_recorded(self.out / "recorded.json")

    def audit_folder(self) -> Path | None:
        """Return where secrets and stream of this run are kept for the search, if they are."""
        return self.out / "audit" if self._options.has_audit else None

    def _camera_arguments(self, before: Exposure | None = None) -> list[str]:
        options = self._options
        arguments: dict[str, Any] = {
            "--settings": self.agency.camera_settings,
            "--seed": options.seed,
            "--camera": options.camera,
            "--width-px": options.width_px,
            "--height-px": options.height_px,
            "--frame-rate-mhz": options.frame_rate_mhz,
        }
        if options.video is not None:
            arguments["--video"] = options.video
        if before is not None:
            arguments["--sensor-before"] = before.text()
        audit = self.audit_folder()
        if audit is not None:
            audit.mkdir(mode=0o700, exist_ok=True)
            arguments["--audit"] = audit
        flat = [str(part) for pair in arguments.items() for part in pair]
        return ["-m", "hw_sim.bench.camera_process", *flat]

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(name, [sys.executable, *arguments], log_file=self.logs / f"{name}.log", on_event=self.events.add)

    @staticmethod
    def _sentence(event: ChildEvent) -> str:
        return f"{event.child} says: {event.fields.get('text') or event.fields.get('reason') or event.name}"
