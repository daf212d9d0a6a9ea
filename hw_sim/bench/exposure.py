"""What the sensor exposed, over all processes of a camera that had it: a camera that starts again looks at the same scene."""

import json
from dataclasses import dataclass

from hw_sim.scene import Scene


@dataclass(frozen=True, slots=True)
class Exposure:
    """When the scene began, and the numbers that were exposed of it, one range per uninterrupted stream."""

    start_mono_ns: int
    spans: tuple[range, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Exposure":
        """Return what `text` wrote."""
        fields = json.loads(text)
        return cls(fields["start_mono_ns"], tuple(range(begin, end) for begin, end in fields["spans"]))

    @property
    def fields(self) -> dict[str, object]:
        """Return it as a process says it."""
        return {"start_mono_ns": self.start_mono_ns, "spans": [[span.start, span.stop] for span in self.spans]}

    def text(self) -> str:
        """Return it as one argument of a command."""
        return json.dumps(self.fields)

    def within(self, scene: Scene, begin_mono_ns: int, end_mono_ns: int) -> tuple[range, ...]:
        """Return what was exposed at or after ``begin_mono_ns`` and before ``end_mono_ns``."""
        first, after = scene.first_frame_from(begin_mono_ns), scene.first_frame_from(end_mono_ns)
        cut = (range(max(span.start, first), min(span.stop, after)) for span in self.spans)
        return tuple(span for span in cut if span)
