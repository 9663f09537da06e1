"""Two sets of answers about the same clips: what one gains over the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference import Float32
from models.intervals import interval_over_speakers, paired_interval
from models.metrics import uar
from scripts.evaluate.answers import Answers


def gain(new: Answers, old: Answers) -> dict[str, Any]:
    """Return by how much the UAR of the new answers is above that of the old ones, row by row about the same.

    `interval` redraws answers, as if they were independent; `speaker_interval` redraws people and is null for one.
    `by_gender` has the gain of each gender alone.

    Raises:
        ValueError: The answers are not about the same clips.
    """
    if not np.array_equal(new.clips, old.clips):
        raise ValueError("a gain is of answers about the same clips")
    people = np.unique(new.speakers)
    return {
        "uar": _difference(new, old),
        "interval": paired_interval(new.probs, old.probs, new.labels),
        "speaker_interval": paired_speaker_interval(new.probs, old.probs, new.labels, new.speakers)
        if len(people) > 1
        else None,
        "by_gender": {
            str(gender): _difference(new.select(new.genders == gender), old.select(old.genders == gender))
            for gender in np.unique(new.genders)
        },
    }


def paired_speaker_interval(
    new: Float32, old: Float32, labels: NDArray[np.int64], speakers: NDArray[np.str_], draws: int = 2000
) -> tuple[float, float]:
    """Return the 95 % interval over people of UAR(new) - UAR(old) on the same examples [N, 7].

    Whole speakers are redrawn, with all that they said, as in `models.intervals.speaker_interval`.

    Raises:
        ValueError: There are fewer than two speakers.
    """
    won = (new.argmax(axis=1) == labels).astype(np.float64) - (old.argmax(axis=1) == labels)
    return interval_over_speakers(won, labels, speakers, draws)


def _difference(new: Answers, old: Answers) -> float:
    return uar(new.probs, new.labels) - uar(old.probs, old.labels)
