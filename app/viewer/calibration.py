"""What a viewer's few neutral seconds teach of them. Pure: time is passed in, answers are handed in.

While the viewer is neutral, the models' plain answers are collected, never those that an earlier calibration has
changed. An adaptive voice model is then given a reference to how the person sounds when neutral, or rather a part of
the way to there. For a model that is not adaptive, but whose answer to neutral people in general is known, a part of
what sets this person's neutral answer apart is taken off all their answers.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.protocol import Calibration, CalibrationState
from app.settings import Settings
from models.calibration import REFERENCE, is_speech, reference
from models.inference import Float32, Traits

Path = Literal["voice", "face"]
PATHS: tuple[Path, ...] = ("voice", "face")

LEAST_READINGS = 4
"""Fewer readings of a path teach nothing."""
PATIENCE = 3.0
"""How many times as long as it takes at best a viewer may take; then what there is has to do."""
VOICE_STRENGTH = 0.5
"""How much of a voice's reference, or of its neutral offset, counts (shrinkage): seconds are not the whole person.

For references, looked at on the validation actors of the folds (docs/tried.md): up to 0.6 the stream is alike there,
above that worse; windows of 3 s and whole clips are the better the more counts.
"""
FACE_STRENGTH = 0.5
"""The same for the face's offset."""
MOST_OFFSET = 2.0
"""Offsets are log-odds, clipped to this on both sides."""
LEAST_PROBABILITY = 1e-6
"""Answers are taken to be at least so probable, so that their logarithms are finite."""

NOBODY: Float32 = np.zeros(REFERENCE, dtype=np.float32)
"""The reference [80] of somebody unknown."""
NOBODY.setflags(write=False)


def neutral_offset(answers: Sequence[Float32], neutral: Sequence[float]) -> Float32:
    """Return by how much a person's neutral answers differ from those of people in general, in log-odds [7].

    Args:
        answers: Probabilities [7] while the person was neutral, at least one; their geometric mean counts.
        neutral: The model's mean answer [7] to neutral people.
    """
    theirs = np.log(np.maximum(np.asarray(answers, np.float64), LEAST_PROBABILITY)).mean(axis=0)
    theirs -= np.log(np.exp(theirs).sum())
    offset = theirs - np.log(np.maximum(np.asarray(neutral, np.float64), LEAST_PROBABILITY))
    return np.asarray(offset.clip(-MOST_OFFSET, MOST_OFFSET), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What is known of a viewer; each part is None where nothing is."""

    reference: Float32 | None = None
    """What an adaptive voice model is given [80]."""
    voice: Float32 | None = None
    """What the answers of a voice model that is not adaptive are multiplied by [7]."""
    face: Float32 | None = None
    """What the face model's answers are multiplied by [7]."""


class Calibrator:
    """Collects a viewer's neutral readings, and keeps what they taught.

    It ends by itself: when enough is collected from every path that is live, or when its patience is at an end. Of
    what is taught too little, the old stays in force.

    Args:
        settings: The server's settings.
        voice: What the voice model says of its answers.
        face: What the face model says of its answers.
    """

    def __init__(self, settings: Settings, voice: Traits, face: Traits) -> None:
        self._voice, self._face = voice, face
        self._window = settings.voice_window
        self._needed = max(LEAST_READINGS, math.ceil(settings.calibration_seconds / settings.result_interval))
        self._patience = PATIENCE * self._needed * settings.result_interval
        self.learnt = Learnt()
        self._since: float | None = None  # while collecting
        self._failed = False
        self._progress = 0.0
        self._readings: dict[Path, list[Float32]] = {"voice": [], "face": []}
        self._counts: dict[Path, int] = {"voice": 0, "face": 0}  # they outlive the readings, to say why it failed

    # --- what the viewer wants ---

    def start(self, now: float) -> None:
        """Collect from now on; what was collected before does not count."""
        self._forget_readings()
        self._since = now

    def skip(self) -> None:
        """Stop collecting, if so; what was in force stays."""
        if self._since is not None:
            self._forget_readings()

    def reset(self) -> None:
        """Forget all that is collected and learnt."""
        self._forget_readings()
        self.learnt = Learnt()

    # --- what the models said ---

    def hear(self, at: float, probs: Float32, statistics: Float32 | None) -> None:
        """Take the answer [7] about the window that ended at time `at`, and the statistics [80] of an adaptive model.

        `probs` are as the model gave them. A window that began before the start is none of the reading, nor is one in
        which nobody speaks, as far as statistics tell.
        """
        if self._since is None or (statistics is not None and not is_speech(statistics)):
            return
        reading = statistics if self._voice.adaptive else probs
        if reading is not None and self.learns("voice"):
            self._take("voice", at - self._window, reading)

    def see(self, at: float, probs: Float32) -> None:
        """Take the answer [7], as the model gave it, about a face in a frame that came at time `at`."""
        if self.learns("face"):
            self._take("face", at, probs)

    def advance(self, now: float, live: Collection[Path]) -> None:
        """Let time pass: end if that is due. `live` are the paths of which something arrives."""
        if self._since is None:
            return
        shares = {path: self._share(path) for path in PATHS if self.learns(path)}
        awaited = [share for path, share in shares.items() if path in live]
        waited = (now - self._since) / self._patience
        self._progress = min(1.0, max(waited, min(awaited, default=0.0)))
        is_enough = max(shares.values(), default=0.0) >= 1.0 and min(awaited, default=1.0) >= 1.0
        if is_enough or waited >= 1.0:
            self._learn()

    # --- what is known ---

    def learns(self, path: Path) -> bool:
        """Whether the model of a path can be calibrated."""
        if path == "voice":
            return self._voice.adaptive or self._voice.neutral is not None
        return self._face.neutral is not None

    @property
    def reference(self) -> Float32:
        """The reference [80] that the voice model is to be given: while collecting, and at first, nobody's."""
        known = None if self._since is not None else self.learnt.reference
        return NOBODY if known is None else known

    @property
    def status(self) -> Calibration:
        """What the viewer is told."""
        state = self._state()
        return Calibration(
            state=state,
            progress=round(self._progress, 4) if state == "collecting" else float(state == "done"),
            voice=self.learnt.reference is not None or self.learnt.voice is not None,
            face=self.learnt.face is not None,
            heard=round(self._share("voice"), 4) if self.learns("voice") else None,
            seen=round(self._share("face"), 4) if self.learns("face") else None,
        )

    def _state(self) -> CalibrationState:
        if self._since is not None:
            return "collecting"
        if self._failed:
            return "failed"
        known = (self.learnt.reference, self.learnt.voice, self.learnt.face)
        return "done" if any(part is not None for part in known) else "none"

    def _share(self, path: Path) -> float:
        return min(1.0, self._counts[path] / self._needed)

    def _take(self, path: Path, began: float, reading: Float32) -> None:
        if self._since is not None and began >= self._since:
            self._readings[path].append(reading)
            self._counts[path] += 1

    def _learn(self) -> None:
        """End collecting; the readings go, what they taught stays."""
        before = self.learnt
        voice, face = self._readings["voice"], self._readings["face"]
        if len(voice) >= LEAST_READINGS and self._voice.adaptive:
            self.learnt = replace(self.learnt, reference=np.float32(VOICE_STRENGTH) * reference(voice))
        elif len(voice) >= LEAST_READINGS and self._voice.neutral is not None:
            self.learnt = replace(self.learnt, voice=_factors(voice, self._voice.neutral, VOICE_STRENGTH))
        if len(face) >= LEAST_READINGS and self._face.neutral is not None:
            self.learnt = replace(self.learnt, face=_factors(face, self._face.neutral, FACE_STRENGTH))
        self._failed = self.learnt is before
        self._since = None
        self._readings = {"voice": [], "face": []}

    def _forget_readings(self) -> None:
        self._since = None
        self._failed = False
        self._progress = 0.0
        self._readings = {"voice": [], "face": []}
        self._counts = {"voice": 0, "face": 0}


def _factors(answers: Sequence[Float32], neutral: Sequence[float], strength: float) -> Float32:
    return np.asarray(np.exp(-strength * neutral_offset(answers, neutral)), dtype=np.float32)
