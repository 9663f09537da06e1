"""Augmentation: what it may change, and what it must not."""

import numpy as np
import pytest
import torch

from models.augment_face import augment_faces
from models.augment_voice import (
    TALKERS,
    Channel,
    Noise,
    add_noise,
    band_filter,
    change_speed,
    coloured_noise,
    impulse_response,
    reverberate,
)

RATE = 16_000
TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def strongest(sound: np.ndarray) -> float:
    return float(np.fft.rfftfreq(len(sound), 1 / RATE)[np.abs(np.fft.rfft(sound)).argmax()])


def somebody(count: int) -> list[np.ndarray]:
    """Return so many people's speech, as `Channel.apply` asks for it."""
    return [np.random.default_rng(who).standard_normal(RATE // 2).astype(np.float32) * 0.1 for who in range(count)]


def nobody(count: int) -> list[np.ndarray]:
    raise AssertionError("nobody else was to talk")


@pytest.mark.parametrize("seed", range(40))
def test_speech_stays_a_waveform_and_follows_its_seed(seed: int) -> None:
    def altered() -> np.ndarray:
        rng = np.random.default_rng(seed)
        return Channel.draw(rng).apply(TONE, somebody, rng)

    one, other = altered(), altered()
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert one.std() > 0
    assert np.abs(one).max() <= 1.0
    assert 0.85 * RATE < len(one) < 1.17 * RATE
    np.testing.assert_array_equal(one, other)


def test_a_channel_without_anything_leaves_the_sound_as_it_is() -> None:
    np.testing.assert_array_equal(Channel().apply(TONE, nobody, np.random.default_rng(0)), TONE)


def test_channels_differ_in_everything_that_they_are_made_of() -> None:
    rng = np.random.default_rng(0)
    channels = [Channel.draw(rng) for _ in range(400)]
    for part, share in (("speed", 0.6), ("room", 0.25), ("noise", 0.7), ("band", 0.15)):
        assert np.mean([getattr(channel, part) is not None for channel in channels]) == pytest.approx(share, abs=0.08)
    assert all(0.87 <= channel.speed <= 1.15 for channel in channels if channel.speed is not None)
    assert all(0 <= channel.snr_db <= 25 for channel in channels)
    assert all(-12.01 <= 20 * np.log10(channel.gain) <= 6.01 for channel in channels)
    talkers = {channel.noise.talkers for channel in channels if channel.noise is not None}
    assert talkers == set(range(TALKERS + 1))


def test_a_channel_is_the_same_for_each_clip_that_it_carries() -> None:
    """What it draws anew is the noise; speed, room, band and gain are its own."""
    rng = np.random.default_rng(1)
    channel = Channel(1.1, impulse_response(rng), None, 0.0, band_filter(rng), 0.5)
    one, other = (channel.apply(TONE, nobody, np.random.default_rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(one, other)


def test_a_speaker_is_as_the_channel_has_it_without_room_noise_and_line() -> None:
    rng = np.random.default_rng(1)
    channel = Channel(1.1, impulse_response(rng), Noise(2, 0.0, 0.0), 5.0, band_filter(rng), 0.5, 1.05)
    assert channel.speaker == Channel(speed=1.1, snr_db=5.0, gain=0.5, tract=1.05)
    heard = channel.speaker.apply(TONE, nobody, rng)
    np.testing.assert_allclose(heard, 0.5 * change_speed(TONE, 1.1), atol=1e-6)


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
@pytest.mark.parametrize("noise", [Noise(0, 1.0, 8.0), Noise(0, 0.0, 0.0), Noise(3, 0.0, 0.0)])
def test_noise_lies_as_far_below_the_voice_as_was_asked_for(noise: Noise, snr_db: float) -> None:
    heard = Channel(noise=noise, snr_db=snr_db).apply(TONE, somebody, np.random.default_rng(2))
    apart = 10 * np.log10(np.square(TONE).mean() / np.square(heard - TONE).mean())
    assert apart == pytest.approx(snr_db, abs=0.1)


def test_silent_ends_do_not_make_the_noise_softer() -> None:
    clip = np.concatenate([np.zeros(RATE, np.float32), TONE, np.zeros(RATE, np.float32)])
    noise = np.random.default_rng(0).standard_normal(len(clip)).astype(np.float32)
    heard = add_noise(clip, noise, 10.0)
    apart = 10 * np.log10(np.square(TONE).mean() / np.square(heard - clip).mean())
    assert apart == pytest.approx(10.0, abs=0.1)


def test_as_many_people_are_asked_to_talk_as_the_noise_is_made_of() -> None:
    asked: list[int] = []

    def people(count: int) -> list[np.ndarray]:
        asked.append(count)
        return somebody(count)

    Noise(4, 0.0, 0.0).sound(RATE, people, np.random.default_rng(0))
    assert asked == [4]


def test_silent_people_and_a_silent_voice_leave_numbers() -> None:
    silence = np.zeros(RATE, np.float32)
    rng = np.random.default_rng(0)
    assert not add_noise(silence, silence, 10.0).any()
    talk = Noise(2, 0.0, 0.0).sound(RATE, lambda count: [silence] * count, rng)
    np.testing.assert_array_equal(add_noise(TONE, talk, 10.0), TONE)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_coloured_noise_falls_as_steeply_as_was_asked_for(slope: float) -> None:
    power = np.abs(np.fft.rfft(coloured_noise(16 * RATE, slope, np.random.default_rng(3)))) ** 2
    low, high = power[800:1600].mean(), power[8 * 800 : 8 * 1600].mean()  # three octaves apart
    assert 10 * np.log10(low / high) == pytest.approx(3 * slope * 10 * np.log10(2), abs=1.0)


def test_where_there_is_nobody_else_nobody_talks() -> None:
    channel = Channel(noise=Noise(3, 0.0, 0.0), snr_db=0.0)
    np.testing.assert_array_equal(channel.apply(TONE, lambda count: [], np.random.default_rng(0)), TONE)


def test_noise_that_swells_is_louder_now_and_softer_then() -> None:
    steady, swelling = (Noise(0, 0.0, db).sound(8 * RATE, nobody, np.random.default_rng(4)) for db in (0.0, 8.0))
    levels = [20 * np.log10(sound.reshape(32, -1).std(axis=1)) for sound in (steady, swelling)]
    assert levels[0].std() < 1.0
    assert levels[1].std() > 3.0


def test_speed_moves_pitch_and_length_together() -> None:
    fast = change_speed(TONE, 1.1)
    assert len(fast) == pytest.approx(RATE / 1.1, abs=2)
    assert strongest(fast) == pytest.approx(484, abs=2)


def test_a_room_rings_on_but_keeps_the_onset() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    wet = reverberate(click, impulse_response(np.random.default_rng(0)))
    assert len(wet) == len(click)
    assert np.abs(wet[:100]).max() < 1e-6
    assert np.abs(wet).argmax() == 100
    assert np.square(wet[500:]).sum() > 0


def test_a_band_lets_nothing_else_through() -> None:
    low = (0.1 * np.sin(2 * np.pi * 30 * np.arange(RATE) / RATE)).astype(np.float32)
    band = Channel(band=band_filter(np.random.default_rng(0)))
    assert band.apply(low, nobody, np.random.default_rng(0)).std() < 0.3 * low.std()
    assert band.apply(TONE, nobody, np.random.default_rng(0)).std() > 0.7 * TONE.std()


def test_faces_keep_their_shape_and_follow_their_seed() -> None:
    crops = torch.rand(6, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255
    one, other = (augment_faces(crops, torch.Generator().manual_seed(2)) for _ in range(2))
    assert one.shape == crops.shape
    assert torch.isfinite(one).all()
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one[0], augment_faces(crops, torch.Generator().manual_seed(3))[0])


def test_faces_come_out_as_large_as_was_asked_for() -> None:
    crops = torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255
    assert augment_faces(crops, torch.Generator().manual_seed(2), side=40).shape == (3, 1, 40, 40)


def test_a_smaller_face_is_the_same_face() -> None:
    """A grey ramp from left to right or right to left stays one, however wide it comes out."""
    ramp = torch.linspace(0, 255, 48).expand(16, 1, 48, 48).contiguous()
    small = augment_faces(ramp, torch.Generator().manual_seed(5), side=24).mean(dim=(1, 2))
    large = augment_faces(ramp, torch.Generator().manual_seed(5)).mean(dim=(1, 2))
    one, other = small[:, -1] - small[:, 0], large[:, -1] - large[:, 0]
    assert torch.equal(one.sign(), other.sign())
    assert one.abs().min() > 60
