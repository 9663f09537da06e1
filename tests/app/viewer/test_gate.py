import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.gate import is_silence
from models.windows import rms


@given(st.lists(st.integers(-32768, 32767), max_size=200))
def test_rms_is_a_fraction_of_full_scale(samples):
    level = rms(np.array(samples, np.int16))
    expected = (sum(s * s for s in samples) / len(samples)) ** 0.5 / 32768 if samples else 0.0
    assert 0.0 <= level <= 1.0
    assert level == pytest.approx(expected)


def test_silence_is_below_the_threshold():
    hum = np.full(100, 328, np.int16)  # about 0.01
    assert is_silence(hum, 0.02)
    assert not is_silence(hum, 0.005)


def test_threshold_zero_turns_the_gate_off():
    assert not is_silence(np.zeros(100, np.int16), 0.0)
