"""What the page says, in plain words: moments, steps, states, levels of assurance, and a glossary."""

from typing import Final

from protocol.entries import CloseReason, OpenReason, UtcSource

OPENED: Final[dict[OpenReason, tuple[str, str]]] = {
    "press": ("Live", "The officer presses the button twice: from here on the camera records live."),
    "resumed": ("Goes on", "The camera had stopped without warning, and goes on in a new recording by itself."),
    "write-error": ("Goes on in a new file", "The card refused to write: the camera goes on in a new recording."),
    "format-change": ("Goes on", "The picture or the sound changed its form: the camera goes on in a new recording."),
    "shift-end": ("Goes on", "A shift ended while the camera was recording: it goes on in the next shift."),
    "trigger": ("Live", "Something other than the officer's button began the recording."),
}
CLOSED: Final[dict[CloseReason, str]] = {
    "stop": "The officer holds the button: the recording ends.",
    "docked": "The camera was put into its dock: the recording ends.",
    "full": "The card is full of footage that has no receipt yet: the recording ends.",
    "write-error": "The card refused to write: this recording ends, and the next one goes on from it.",
    "format-change": "The picture or the sound changed its form: this recording ends, and the next one goes on from it.",
    "shift-end": "The shift ended: this recording ends, and the next one goes on from it.",
    "power-off": "The camera was switched off: the recording ends.",
}
EVENTS: Final[dict[str, tuple[str, str]]] = {
    "mute-on": (
        "Mute",
        "The officer turns the microphone off. No sound exists from here on; the picture goes on.",
    ),
    "mute-off": ("Sound on", "The officer turns the microphone on again."),
    "mark": ("Mark", "The officer marks this moment as worth finding again. A mark changes nothing in the film."),
    "stealth-on": ("Lights off", "The camera shows no lights and makes no tones from here on."),
    "stealth-off": ("Lights on", "The camera shows its lights again."),
    "camera-lost": ("Picture lost", "The image sensor stopped delivering pictures. The camera signed that it did."),
    "camera-back": ("Picture back", "The image sensor delivers pictures again."),
    "battery": ("Battery", "The camera noted the state of its battery."),
    "heat": ("Heat", "The camera noted that it is hot."),
    "storage": ("Storage", "The camera noted the state of its card."),
    "clock-step": ("Clock changed", "The camera's clock was changed, and the camera signed by how much."),
}
LOST: Final[dict[str, str]] = {
    "not-delivered": "the image sensor did not deliver them",
    "no-key-frame": "they could not be decoded without what came before",
    "too-many-frames": "they were more than one chunk may hold",
    "too-many-bytes": "they were larger than one chunk may be",
    "too-long": "they lasted longer than one chunk may",
    "time-stepped-back": "their times ran backwards",
    "unreadable": "they came damaged from the encoder",
}
CLOCK: Final[dict[UtcSource, str]] = {
    "none": "The camera's clock was set by nobody, so its times are only a claim",
    "rtc": "The camera's times come from its own clock chip",
    "dock": "The camera's clock was set by its dock",
    "central": "The camera's clock was set by central storage",
}
PICTURE: Final[dict[str, str]] = {"pre-event": "pre-event", "live": "live", "gap": "no picture"}
PICTURE_KEY: Final[dict[str, str]] = {
    "pre-event": "pre-event: from before the press",
    "live": "live",
    "gap": "no picture: a signed gap",
}
SOUND: Final[dict[str, str]] = {
    "none": "no microphone",
    "present": "on",
    "muted": "muted",
    "off-by-policy": "off by policy",
    "failed": "microphone failed",
}
ASSURANCE: Final[tuple[tuple[str, str], ...]] = (
    ("No receipt", "Only the camera itself vouches for the footage so far; no receipt of central storage is at hand."),
    (
        "Anchored, with a stop",
        "As level 2, but the camera had stopped without warning earlier in the same shift.",
    ),
    (
        "Anchored at the dock",
        "Central storage signed for the end of the camera's chain. Since then nothing before it can be changed unnoticed.",
    ),
    ("Witnessed", "Outside witnesses had signed for the shift before the recording began."),
)
GLOSSARY: Final[tuple[tuple[str, str], ...]] = (
    ("Standby", "The camera is awake and keeps only the last seconds, in memory. Older pictures are overwritten and never stored."),
    ("Pre-event", "The seconds that were in memory when the officer pressed. They become the beginning of the recording."),
    ("Live", "From the press to the end. Every second is encrypted and signed as soon as it is over."),
    ("Mute", "The officer turns the microphone off for a while. The camera signs from when to when."),
    ("Mark", "A note of time, to find a moment again."),
    ("Dock", "The charging station at the police station. It copies and checks footage, and cannot open it."),
    ("Verified", "Every signature and every byte was checked. One changed bit would show."),
    ("Central storage", "Where the agency keeps its footage. It does not believe the dock, and checks everything again."),
    ("Receipt", "Central's signed promise: these very bytes are stored, and their key can be opened."),
    ("Erased", "The camera deletes its own copy. It does so only behind a receipt that it has checked itself."),
    ("Chain", "The camera's list of signed entries. Each entry seals the one before, so none can be changed, dropped or added unnoticed."),
    ("Chunk", "About a second of film and sound, sealed as one piece."),
    ("Vault", "The program that holds the key to footage. It notes each opening: when, and for which reason."),
    ("Verdict", "What the bytes alone prove. Anyone can work it out again, without a network and without trusting the agency."),
    ("Assurance", "How much stands behind the verdict, from 0 (the camera alone) to 3 (outside witnesses)."),
)  # fmt: skip


def seconds(duration_us: int) -> str:
    """Return a duration to read: 9.4 s, or 1 min 5 s from a minute on."""
    tenths = (duration_us + 50_000) // 100_000
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    whole = (duration_us + 500_000) // 1_000_000
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if rest else f"{minutes} min"


def size(size_bytes: int) -> str:
    """Return a size to read: 2.6 MB."""
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:,.2f} GB"


def counted(count: int, one: str) -> str:
    """Return a number with its noun: 1 recording, 2 recordings."""
    return f"{count:,d} {one}{'' if count == 1 else 's'}"
