"""Pictures of one photograph are known again, others are not."""

import numpy as np
import pytest

from models.datasets import near_duplicates as module
from models.datasets.near_duplicates import near_duplicates
from models.inference import UInt8


def photographs(count: int, seed: int) -> UInt8:
    """Coarse patterns, as different as photographs are, each 48 pixels wide."""
    coarse = np.random.default_rng(seed).integers(0, 200, (count, 6, 6), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def test_both_sides_are_told_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    train, held_out = photographs(9, 0), photographs(5, 1)
    held_out[3] = train[7] + 40
    held_out[4, :, :] = train[2, :, ::-1]
    for block in (1, 4, 100):
        monkeypatch.setattr(module, "BLOCK", block)
        of_train, of_held_out = near_duplicates(train, held_out)
        assert np.flatnonzero(of_train).tolist() == [2, 7]
        assert np.flatnonzero(of_held_out).tolist() == [3, 4]


def test_how_alike_is_a_correlation_and_no_picture_is_like_even_grey() -> None:
    train, held_out = photographs(2, 2), photographs(1, 2)
    mixed = held_out // 2 + photographs(1, 3) // 2  # half of each: a correlation of about 0.7
    assert near_duplicates(train, mixed, alike=0.5)[0].tolist() == [True, False]
    assert not near_duplicates(train, mixed, alike=0.9)[0].any()
    even = np.full((1, 48, 48), 77, np.uint8)
    assert not any(mask.any() for mask in near_duplicates(np.concatenate([train, even]), even))
    assert [len(mask) for mask in near_duplicates(train[:0], held_out)] == [0, 1]
    assert [len(mask) for mask in near_duplicates(train, held_out[:0])] == [2, 0]
