"""Splits in which nobody is in two parts: what a model learns of a person must not help it on the same person."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic

import numpy as np

from models.datasets.clips import SEVERAL, SpokenItem

logger = logging.getLogger(__name__)

SHARES = (0.7, 0.15, 0.15)
"""Of the clips in training, validation and test."""


class SpeakerLeakError(ValueError):
    """A speaker is in two parts of a split."""


class TooFewSpeakersError(ValueError):
    """There are fewer speakers than parts."""


@dataclass(frozen=True, slots=True)
class Split(Generic[SpokenItem]):
    """Clips or pairs to train on, to choose by, and to measure on."""

    train: list[SpokenItem]
    validation: list[SpokenItem]
    test: list[SpokenItem]

    def check_speakers(self) -> None:
        """Refuse a speaker in two parts.

        Raises:
            SpeakerLeakError: There is one.
        """
        parts = [{item.speaker for item in part} for part in (self.train, self.validation, self.test)]
        shared = sorted({speaker for one, other in combinations(parts, 2) for speaker in one & other})
        if shared:
            raise SpeakerLeakError(f"in two parts of the split: {', '.join(shared)}")


def split_by_speaker(
    items: Sequence[SpokenItem], shares: tuple[float, float, float] = SHARES, seed: int = 0
) -> Split[SpokenItem]:
    """Split clips or pairs by speaker, the same for the same seed whatever the order they come in.

    Within each gender, speakers (those with most clips first, drawn among equals) go to the part that lacks most
    of its share, so that parts are alike in gender. A part with a share never stays empty. What several people say
    at once is left out.

    Args:
        items: What to split; parts keep their order.
        shares: Of the clips in training, validation and test; 0 leaves a part empty.
        seed: Of the draw.

    Raises:
        TooFewSpeakersError: There are fewer speakers than parts.
        ValueError: A share is negative, or none is positive.
    """
    if min(shares) < 0 or not any(shares):
        raise ValueError(f"shares must not be negative, and not all nil: {shares}")
    rng = np.random.default_rng(seed)
    groups: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    alone = [item for item in items if item.speaker != SEVERAL]
    if len(alone) < len(items):
        logger.info("left out %d of several people at once", len(items) - len(alone))
    for item in alone:
        groups[item.gender][item.speaker] += 1
    wanted = np.array(shares) / sum(shares)
    lacking = np.zeros(len(shares))
    home: dict[str, int] = {}
    for gender in sorted(groups):
        # What one gender left uneven the next makes up for by half: parts of the right size, and alike in gender.
        lacking = lacking / 2 + wanted * sum(groups[gender].values())
        for speaker in _largest_first(groups[gender], rng):
            home[speaker] = int(np.argmax(np.where(wanted > 0, lacking, -np.inf)))
            lacking[home[speaker]] -= groups[gender][speaker]
    counts = {speaker: count for group in groups.values() for speaker, count in group.items()}
    _fill(home, counts, [part for part, share in enumerate(shares) if share > 0])
    parts: tuple[list[SpokenItem], ...] = ([], [], [])
    for item in alone:
        parts[home[item.speaker]].append(item)
    return Split(*parts)


def _largest_first(counts: dict[str, int], rng: np.random.Generator) -> list[str]:
    speakers = sorted(counts)
    return sorted((speakers[index] for index in rng.permutation(len(speakers))), key=lambda name: -counts[name])


def _fill(home: dict[str, int], counts: dict[str, int], parts: list[int]) -> None:
    """Give every part a speaker: the one with fewest clips of the part that has most speakers."""
    if len(home) < len(parts):
        raise TooFewSpeakersError(f"{len(home)} speakers cannot fill {len(parts)} parts")
    for empty in [part for part in parts if part not in home.values()]:
        members = {part: [speaker for speaker in home if home[speaker] == part] for part in parts}
        fullest = max(parts, key=lambda part: len(members[part]))
        home[min(members[fullest], key=lambda speaker: (counts[speaker], speaker))] = empty
