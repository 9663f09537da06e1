"""The types that speech and audio-visual data sets give: who acted what, and where it lies."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.datasets.media import UnreadableMediaError, read_sound
from models.inference import Int16
from models.labels import LABELS

logger = logging.getLogger(__name__)

UNKNOWN: Final = "unknown"
"""The gender of somebody of whom the data set does not say it."""
SEVERAL: Final = "several"
"""The speaker of what several people say at once: it belongs to no part of a split by speaker."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: where it lies, who speaks, and what was acted.

    `gender` is `female`, `male` or `UNKNOWN`; `age` is in years, None where the data set does not say it.
    """

    path: Path
    label: str
    speaker: str
    gender: str
    age: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One scene that is heard and seen. Where the film has its own sound, both paths may be the same."""

    label: str
    speaker: str
    gender: str
    sound: Path
    video: Path
    age: int | None = None


class Spoken(Protocol):
    """What clips and pairs have in common."""

    @property
    def label(self) -> str:
        """Return one of `LABELS`."""
        ...

    @property
    def speaker(self) -> str:
        """Return the data set's name and the person's within it, `ravdess-02`; or `SEVERAL`."""
        ...

    @property
    def gender(self) -> str:
        """Return `female`, `male` or `UNKNOWN`."""
        ...


SpokenItem = TypeVar("SpokenItem", bound=Spoken)


def pair(sound: Clip, video: Path) -> Pair:
    """Join a clip with the film of the same scene."""
    return Pair(sound.label, sound.speaker, sound.gender, sound.path, video, sound.age)


def draw_weights(items: Sequence[Spoken]) -> NDArray[np.float64]:
    """Return how probably to draw each clip or scene [N]: labels alike, the speakers of a label alike, theirs alike.

    So a corpus with many clips of two people weighs no more than those two people do.
    """
    pairs = [(item.label, item.speaker) for item in items]
    items_of = Counter(pairs)
    speakers_of = Counter(label for label, _ in items_of)
    return np.array([1 / (len(speakers_of) * speakers_of[pair[0]] * items_of[pair]) for pair in pairs])


def with_labels(items: Iterable[SpokenItem], labels: Collection[str]) -> list[SpokenItem]:
    """Keep the clips or pairs of these labels.

    Raises:
        ValueError: A label is none of the seven.
    """
    check_labels(labels)
    return [item for item in items if item.label in labels]


def check_labels(labels: Collection[str]) -> None:
    """Refuse what is no label.

    Raises:
        ValueError: A label is none of the seven.
    """
    strange = sorted(set(labels) - set(LABELS))
    if strange:
        raise ValueError(f"no such label: {', '.join(strange)}; there are {', '.join(LABELS)}")


def read_clips(clips: Iterable[Clip]) -> Iterator[tuple[Clip, Int16]]:
    """Read clips one by one; a file that cannot be read is named in the log and left out."""
    for clip in clips:
        try:
            yield clip, read_sound(clip.path)
        except UnreadableMediaError as error:
            logger.warning("left out %s", error)
