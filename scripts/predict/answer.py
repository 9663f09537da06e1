"""What is said of one source as a whole, and moment by moment."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.protocol import FacePart, FusedPart, Ranked, Result, VoicePart
from app.settings import LATE
from app.viewer.fusion import top_k, top_label
from models.inference import Box, Float32
from models.labels import LABELS


@dataclass(frozen=True, slots=True)
class Used:
    """What an answer rests on.

    Attributes:
        seconds: Of sound.
        windows: Of sound, the silent ones left out, that the whole answer averages.
        window: Seconds of each.
        pictures: Looked at.
        faces: Pictures in which a face was found.
        fusion: What fused both: `late`, or a fusion model's name; None where there are not both.
    """

    seconds: float = 0.0
    windows: int = 0
    window: float = 0.0
    pictures: int = 0
    faces: int = 0
    fusion: str | None = None

    def __str__(self) -> str:
        voice, face = "no sound", "no picture"
        if self.seconds:
            windows = (
                f"{self.windows} window{'s' * (self.windows > 1)} of {self.window:.1f} s" if self.windows else "silent"
            )
            voice = f"{self.seconds:.1f} s of sound (the whole: {windows})"
        if self.pictures:
            face = f"in {self.faces} of {self.pictures} picture{'s' * (self.pictures > 1)}"
        return f"voice: {voice}; face: {face}" + (f"; fusion: {self.fusion}" if self.fusion else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What voice, face and both say: of the whole source, and at each time as the stream would show it.

    Attributes:
        source: A file's path, or the devices.
        used: What it rests on.
        voice: Of the whole: the mean over windows of up to 2 s.
        face: Of the whole: the mean over all pictures with a face. Only one picture's answer has a box.
        fused: Of both.
        top5: The most probable labels of `fused`, up to five of those that the models behind it know.
        timeline: The stream's results, in order; none for a picture, or a moment.
    """

    source: str
    used: Used
    voice: VoicePart
    face: FacePart
    fused: FusedPart
    top5: tuple[Ranked, ...]
    timeline: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Fused:
    """What voice and face say together.

    Attributes:
        probs: Probabilities [7]; None where neither says anything.
        labels: Those that it may name.
        by: As in `Used.fusion`.
    """

    probs: Float32 | None
    labels: Collection[str] = LABELS
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A source that cannot be used, and why."""

    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


def answer(
    source: str,
    used: Used,
    voice: Float32 | None,
    face: Float32 | None,
    fused: Fused,
    *,
    box: Box | None = None,
    timeline: tuple[Result, ...] = (),
) -> Answer:
    """Put the probabilities [7] of the whole, None where there are none, into words."""
    both = fused.probs
    ranked = () if both is None else top_k(both, 5, fused.labels)
    return Answer(
        source,
        used,
        VoicePart(
            state="absent" if not used.seconds else "silence" if voice is None else "ok",
            label=_label(voice),
            probs=_named(voice),
        ),
        FacePart(
            state="absent" if not used.pictures else "no_face" if face is None else "ok",
            label=_label(face),
            probs=_named(face),
            box=None if box is None else (box.x, box.y, box.width, box.height),
        ),
        FusedPart(
            state="none" if both is None else "face_only" if voice is None else "voice_only" if face is None else "ok",
            label=_label(both),
            probs=_named(both),
            by=None if voice is None or face is None else "late" if fused.by == LATE else "model",
        ),
        tuple(Ranked(label=label, prob=round(prob, 4)) for label, prob in ranked),
        timeline,
    )


def named(path: Path) -> str:
    """Return a path as text that can be printed, whatever bytes are in it."""
    return str(path).encode("utf-8", "replace").decode()


def _label(probs: Float32 | None) -> str | None:
    return None if probs is None else top_label(probs)


def _named(probs: Float32 | None) -> dict[str, float]:
    return {} if probs is None else {name: round(float(p), 4) for name, p in zip(LABELS, probs, strict=True)}
