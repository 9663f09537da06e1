"""Augmentation: what it may change, and what it must not."""

import numpy as np
import pytest
import torch

from models.augment_face import augment_faces
from models.augment_voice import augment_speech, band_limit, change_speed, non_speech, reverberate

RATE = 16_000
TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def strongest(sound: np.ndarray) -> float:
    return float(np.fft.rfftfreq(len(sound), 1 / RATE)[np.abs(np.fft.rfft(sound)).argmax()])


@pytest.mark.parametrize("seed", range(20))
def test_speech_stays_a_waveform_and_follows_its_seed(seed: int) -> None:
    babble = np.random.default_rng(99).standard_normal(RATE).astype(np.float32) * 0.1
    one, other = (augment_speech(TONE, babble, np.random.default_rng(seed)) for _ in range(2))
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert np.abs(one).max() <= 1.0
    assert 0.85 * RATE < len(one) < 1.17 * RATE
    np.testing.assert_array_equal(one, other)


def test_speed_moves_pitch_and_length_together() -> None:
    fast = change_speed(TONE, 1.1)
    assert len(fast) == pytest.approx(RATE / 1.1, abs=2)
    assert strongest(fast) == pytest.approx(484, abs=2)


def test_a_room_rings_on_but_keeps_the_onset() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    wet = reverberate(click, np.random.default_rng(0))
    assert np.abs(wet[:100]).max() < 1e-6
    assert np.abs(wet).argmax() == 100
    assert np.square(wet[500:]).sum() > 0


def test_a_band_lets_nothing_else_through() -> None:
    low = (0.1 * np.sin(2 * np.pi * 30 * np.arange(RATE) / RATE)).astype(np.float32)
    assert band_limit(low, np.random.default_rng(0)).std() < 0.3 * low.std()
    assert band_limit(TONE, np.random.default_rng(0)).std() > 0.7 * TONE.std()


@pytest.mark.parametrize("seed", range(20))
def test_what_is_no_voice_lies_between_a_whisper_and_a_roar(seed: int) -> None:
    sound = non_speech(RATE, np.random.default_rng(seed))
    assert sound.shape == (RATE,)
    assert 10 ** (-51 / 20) < sound.std() < 10 ** (-9 / 20)


def test_faces_keep_their_shape_and_follow_their_seed() -> None:
    crops = torch.rand(6, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255
    one, other = (augment_faces(crops, torch.Generator().manual_seed(2)) for _ in range(2))
    assert one.shape == crops.shape
    assert torch.isfinite(one).all()
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one[0], augment_faces(crops, torch.Generator().manual_seed(3))[0])
