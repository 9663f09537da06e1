"""What the window tells: readings of face and voice, held, smoothed and fused. Pure: time is passed in."""

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from app.viewer.fusion import late_fusion, top_label
from app.viewer.smoothing import Smoother
from models.inference import Box, FaceReading, Float32, Traits
from scripts.webcam.ear import HOP, Voice
from scripts.webcam.hold import FaceHold, FaceState

VOICE_WINDOWS: Final = 5
VOICE_LASTING: Final = 2.0
"""Voice windows that are averaged, and seconds that one counts at most: as in the live stream."""
RECORDING_SHOWN: Final = 6.0
NOTE_SHOWN: Final = 8.0
"""Seconds that a recording's label and a note stay."""

VoiceState = Literal["off", "waiting", "voice", "silence"]
Silence = Literal["silence"]
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Probabilities [7]; their most probable label is not `sure` where it is under the confidence threshold."""

    probs: Float32
    sure: bool

    @property
    def label(self) -> str:
        """The most probable label."""
        return top_label(self.probs)

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probs.max())

    def __str__(self) -> str:
        return f"{self.label} {self.confidence:.0%}" if self.sure else "unsure"


@dataclass(frozen=True, slots=True)
class View:
    """What is known at one moment."""

    face_state: FaceState
    box: Box | None
    face: Verdict | None
    voice_state: VoiceState
    voice: Verdict | None
    fused: Verdict | None
    """Only where both are there."""
    recorded: Verdict | Silence | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log: what the window says of one part from now on."""

    part: Literal["face", "voice", "fused", "recording"]
    state: str
    verdict: Verdict | None
    box: Box | None = None


class Board:
    """Takes readings, and says what to show.

    Args:
        confidence: Least probability (0 to 1) of a label that is shown.
        hold: Seconds that a lost face is kept.
        smoothing: Face readings that are averaged.
        interval: Seconds from one face reading to the next.
        weight: Of the voice in the fusion.
        continuous: Whether the voice is listened to all the time.
        face: What the face model says of itself.
        voice: What the voice model says of itself.
    """

    def __init__(
        self,
        *,
        confidence: float,
        hold: float,
        smoothing: int,
        interval: float,
        weight: float,
        continuous: bool = False,
        face: Traits | None = None,
        voice: Traits | None = None,
    ) -> None:
        self._confidence = confidence
        self._weight = weight
        face, voice = face or Traits(), voice or Traits()
        self._known = voice.labels, face.labels
        self._hold = FaceHold(hold)
        # A single reading lasts as long as the face is held, also where readings come slowly.
        lasting = hold + 2 * interval
        self._faces = Smoother(smoothing, interval, lasting, face.sharpening)
        self._voices = Smoother(VOICE_WINDOWS, HOP, VOICE_LASTING, voice.sharpening)
        self._logged_face: FaceState = "waiting"
        self._voice_state: VoiceState = "waiting" if continuous else "off"
        self._recorded: tuple[Verdict | Silence, float] | None = None
        self._note: tuple[str, float] | None = None

    def saw(self, reading: FaceReading, at: float, now: float) -> list[Entry]:
        """Take what was found in a picture of time `at`; return what is new for the log."""
        self._hold.see(reading.box, at)
        state, box = self._hold.face(now)
        if state == "no face":
            self._faces.clear()  # who comes next need not be who left
        if reading.probs is not None:
            self._faces.add(reading.probs, at)
        elif state in (self._logged_face, "face"):  # a new face is logged with its first label
            return []
        self._logged_face = state
        return [Entry("face", state, self._face(now), box), *self._fused_entry(now)]

    def heard(self, voice: Voice, now: float) -> list[Entry]:
        """Take what was heard; return what is new for the log."""
        verdict = self._verdict(voice.probs)
        state: VoiceState = "silence" if verdict is None else "voice"
        if voice.kind == "recording":
            self._recorded = verdict or "silence", now
            return [Entry("recording", state, verdict)]
        before, self._voice_state = self._voice_state, state
        if voice.probs is not None:
            self._voices.add(voice.probs, now)
        elif state == before:
            return []
        return [Entry("voice", state, self._voice(now)), *self._fused_entry(now)]

    def tell(self, note: str, now: float) -> None:
        """Show a note for a while."""
        self._note = note, now

    def view(self, now: float) -> View:
        """Return what is known at time `now`."""
        state, box = self._hold.face(now)
        return View(
            face_state=state,
            box=box,
            face=self._face(now),
            voice_state=self._voice_state,
            voice=self._voice(now),
            fused=self._fused(now),
            recorded=_unless_old(self._recorded, RECORDING_SHOWN, now),
            note=_unless_old(self._note, NOTE_SHOWN, now),
        )

    def _face(self, now: float) -> Verdict | None:
        _, box = self._hold.face(now)
        return None if box is None else self._verdict(self._faces.mean(now))

    def _voice(self, now: float) -> Verdict | None:
        return self._verdict(self._voices.mean(now))

    def _fused(self, now: float) -> Verdict | None:
        face, voice = self._face(now), self._voice(now)
        if face is None or voice is None:
            return None
        return self._verdict(late_fusion(voice.probs, face.probs, self._weight, *self._known))

    def _fused_entry(self, now: float) -> list[Entry]:
        fused = self._fused(now)
        return [] if fused is None else [Entry("fused", "both", fused)]

    def _verdict(self, probs: Float32 | None) -> Verdict | None:
        return None if probs is None else Verdict(probs, bool(probs.max() >= self._confidence))


def _unless_old(shown: tuple[Shown, float] | None, seconds: float, now: float) -> Shown | None:
    return None if shown is None or now - shown[1] > seconds else shown[0]
