"""What all data sets share: the error for a wrong layout, and the draw of a few examples of each label."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class DataLayoutError(ValueError):
    """A data root does not have the layout that its data set is published in."""


def draw(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    """Draw at most `count` items, in their order; 0 takes all."""
    if not count or len(items) <= count:
        return list(items)
    return [items[i] for i in sorted(rng.choice(len(items), count, replace=False))]
