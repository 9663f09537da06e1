"""How a stream cuts a clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.windows import rms, speech_span, stream_windows

RATE = 16_000


def tone(seconds: float, amplitude: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * 32767 * np.sin(2 * np.pi * 200 * times)).astype(np.int16)


def test_rms_of_a_sine_is_its_amplitude_over_root_two() -> None:
    assert rms(tone(1.0, 0.5)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert rms(np.zeros(0, np.int16)) == 0.0
    assert rms(np.full(100, -32768, np.int16)) == pytest.approx(1.0)


def test_silent_windows_are_left_out() -> None:
    clip = np.concatenate([np.zeros(RATE, np.int16), tone(1.0, 0.3), np.zeros(RATE, np.int16)])
    windows = stream_windows(clip)
    assert len(windows) == 3  # starting at 0.5, 1.0 and 1.5 s
    np.testing.assert_array_equal(windows[1], clip[RATE : 2 * RATE])


@given(st.integers(1, 5 * RATE), st.sampled_from([0.5, 1.0, 3.0]))
def test_every_clip_gives_at_least_one_whole_window(length: int, seconds: float) -> None:
    windows = stream_windows(np.ones(length, np.int16), seconds)
    assert windows.shape[0] >= 1
    assert windows.shape[1] == round(seconds * RATE)


def test_speech_span_finds_the_loud_part() -> None:
    clip = np.concatenate([np.zeros(RATE, np.int16), tone(0.5, 0.3), np.zeros(RATE // 2, np.int16)])
    first, last = speech_span(clip)
    assert abs(first - RATE) <= 320
    assert abs(last - RATE * 3 // 2) <= 320
