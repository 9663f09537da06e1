"""The face is kept for a moment when the detector loses it, so that box and label do not flicker. Pure."""

from typing import Final, Literal

from models.inference import Box

BRIEF: Final = 0.2
"""Seconds for which a face may be missed without a word: a look or three of the detector."""

FaceState = Literal["waiting", "face", "held", "no face"]


class FaceHold:
    """The newest face, for at most `seconds` after it was last seen."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._box: Box | None = None
        self._seen_at = 0.0
        self._found = False
        self._looked = False

    def see(self, box: Box | None, at: float) -> None:
        """Take what the detector found in a picture of time `at`: a box, or nothing."""
        self._looked, self._found = True, box is not None
        if box is not None:
            self._box, self._seen_at = box, at

    def face(self, now: float) -> tuple[FaceState, Box | None]:
        """Return the state at time `now`, and the box to show."""
        if not self._looked:
            return "waiting", None
        missed = 0.0 if self._found else now - self._seen_at
        if self._box is not None and missed <= self._seconds:
            return "face" if missed <= BRIEF else "held", self._box
        self._box = None
        return "no face", None
