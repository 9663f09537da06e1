"""Evaluation conditions do what their names say, by the decibel, and the same each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.conditions import face, voice
from models.inference import SAMPLE_RATE
from models.windows import rms, speech_span


def speech(seconds: float = 2.0, amplitude: float = 0.2) -> np.ndarray:
    """A tone between two pauses of half a second: a clip whose speech is known."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = amplitude * 32767 * np.sin(2 * np.pi * 200 * times)
    return np.pad(tone, SAMPLE_RATE // 2).astype(np.int16)


def power(sound: np.ndarray) -> float:
    return float(np.square(sound.astype(np.float64)).mean())


def share_of_power(noise: np.ndarray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    return float(spectrum[(frequencies >= low) & (frequencies < high)].sum() / spectrum.sum())


NOISES = {
    "white": voice.white,
    "brown": voice.brown,
    "street": voice.street,
    "hum": lambda n, rng: voice.hum(n),
    "high hiss": voice.high_hiss,
    "rising": voice.rising,
    "knocks": lambda n, rng: voice.knocks(n),
    "siren": lambda n, rng: voice.siren(n),
    "chord": lambda n, rng: voice.chord(n),
    "melody": lambda n, rng: voice.melody(n),
    "motor": lambda n, rng: voice.motor(n),
    "applause": voice.applause,
    "babble": lambda n, rng: voice.babble(n, [speech(), speech(1.0, 0.7)]),
}


@given(snr=st.floats(-5, 30), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=25)
def test_the_ratio_is_that_of_the_speech_to_the_noise(snr: float, seed: int) -> None:
    clip = speech(amplitude=0.05)  # with room for the loudest noise
    mixed = voice.mix(clip, voice.white(len(clip), np.random.default_rng(seed)), snr)
    first, last = speech_span(clip)
    added = mixed.astype(np.float64) - clip
    assert 10 * np.log10(power(clip[first:last]) / power(added)) == pytest.approx(snr, abs=0.05)


def test_a_mix_that_would_clip_is_made_quieter_as_a_whole() -> None:
    clip = speech(amplitude=0.95)
    noise = voice.white(len(clip), np.random.default_rng(0))
    mixed = voice.mix(clip, noise, 0.0)
    assert np.abs(mixed.astype(np.int32)).max() == 32767
    scale = np.dot(mixed.astype(np.float64), clip) / np.dot(clip.astype(np.float64), clip)
    added = mixed - scale * clip
    first, last = speech_span(clip)
    assert 10 * np.log10(scale**2 * power(clip[first:last]) / power(added)) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("name", NOISES)
def test_noises_have_unit_power_and_come_again_from_the_same_seed(name: str) -> None:
    first, again = (NOISES[name](3 * SAMPLE_RATE, np.random.default_rng(5)) for _ in range(2))
    assert power(first) == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_array_equal(first, again)
    assert rms(voice.at_level(first * 0.1, -20)) == pytest.approx(0.01, rel=0.01)


def test_noises_sound_like_their_names() -> None:
    rng = np.random.default_rng(1)
    assert share_of_power(voice.white(SAMPLE_RATE, rng), 0, 4000) == pytest.approx(0.5, abs=0.03)
    assert share_of_power(voice.brown(SAMPLE_RATE, rng), 0, 200) > 0.9
    assert share_of_power(voice.hum(SAMPLE_RATE), 49, 51) > 0.5
    assert sum(share_of_power(voice.hum(SAMPLE_RATE), 50 * k - 1, 50 * k + 1) for k in range(1, 9)) > 0.999
    street = voice.street(5 * SAMPLE_RATE, rng)
    assert share_of_power(street, 0, 100) > 0.25
    assert share_of_power(street, 300, 4000) > 0.1


def test_other_sounds_that_are_no_voice_sound_like_their_names() -> None:
    rng = np.random.default_rng(2)
    assert share_of_power(voice.high_hiss(SAMPLE_RATE, rng), 0, 2000) < 0.02
    assert share_of_power(voice.high_hiss(SAMPLE_RATE, rng), 4000, 8000) > 0.8
    rising = voice.rising(10 * SAMPLE_RATE, rng)
    octaves = [share_of_power(rising, low, 2 * low) for low in (1000, 2000, 4000)]
    assert octaves[1] / octaves[0] == pytest.approx(8, rel=0.1)  # twice as wide, and four times the power
    assert octaves[2] / octaves[1] == pytest.approx(8, rel=0.1)
    knocks = voice.knocks(2 * SAMPLE_RATE)
    loudness = [power(part) for part in np.split(knocks, 8)]
    assert max(loudness[1::2]) < 1e-4 < min(loudness[::2])
    halves = np.split(voice.siren(2 * SAMPLE_RATE), 20)
    pitches = [np.abs(np.fft.rfft(part)).argmax() * 10 for part in halves]
    assert pitches[0] == pitches[-1] == pytest.approx(510, abs=20)
    assert max(pitches) == pytest.approx(1300, abs=30)


def test_what_makes_music_and_clatter_sounds_like_its_name() -> None:
    chord = voice.chord(SAMPLE_RATE)
    notes = [share_of_power(chord, note - 2, note + 2) for note in (220, 275, 330)]
    assert min(notes) > 0.19 and sum(notes) > 0.55
    strings = np.split(voice.melody(3 * SAMPLE_RATE)[: 9 * (SAMPLE_RATE // 3)], 9)
    pitches = [np.abs(np.fft.rfft(string[:4000])).argmax() * SAMPLE_RATE / 4000 for string in strings]
    assert pitches[0] == pytest.approx(pitches[8], abs=8) and max(pitches) == pytest.approx(2 * pitches[0], abs=8)
    assert power(strings[1][:1600]) > 4 * power(strings[1][-1600:]), "a string dies away"
    motor = voice.motor(3 * SAMPLE_RATE)
    strokes = [int((np.diff(part) < -1).sum()) for part in np.split(motor, 3)]
    assert strokes == sorted(strokes) and strokes[0] == pytest.approx(60, abs=3)
    claps = voice.applause(2 * SAMPLE_RATE, np.random.default_rng(3))
    assert share_of_power(claps, 500, 3000) > 0.6
    loudness = [power(part) for part in np.split(claps, 400)]
    assert max(loudness) > 3 * np.median(loudness), "of single claps"


def test_babble_has_no_pauses() -> None:
    noise = voice.babble(3 * SAMPLE_RATE, [speech(), speech(1.0, 0.01)])
    loudness = [power(part) for part in np.split(noise, 30)]
    assert min(loudness) > 0.2


@given(db=st.floats(-30, 12))
@settings(deadline=None)
def test_gain_is_exact_and_clips_as_a_microphone_would(db: float) -> None:
    assert 20 * np.log10(rms(voice.gain(speech(), db)) / rms(speech())) == pytest.approx(db, abs=0.05)
    assert voice.gain(np.array([30000, -30000], np.int16), 6.0).tolist() == [32767, -32768]


def test_a_room_makes_a_clip_ring_on_at_its_old_power() -> None:
    click = np.zeros(SAMPLE_RATE, np.int16)
    click[0] = 20000
    wet = voice.reverberate(click, np.random.default_rng(0), decay=0.5).astype(np.float64)
    np.testing.assert_array_equal(wet, voice.reverberate(click, np.random.default_rng(0), decay=0.5))
    assert power(wet) == pytest.approx(power(click), rel=0.01)
    assert wet[0] ** 2 == pytest.approx((wet[1:] ** 2).sum(), rel=0.05)  # direct to reverberant: 0 dB
    # 60 dB in half a second: 30 dB from one quarter to the next.
    parts = [power(wet[start : start + 800]) for start in (400, 400 + SAMPLE_RATE // 4)]
    assert 10 * np.log10(parts[0] / parts[1]) == pytest.approx(30, abs=3)


def test_a_telephone_keeps_its_band_alone() -> None:
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    kept = {}
    for hertz in (100, 1000, 3000, 5000):
        tone = (8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)
        heard = voice.telephone(tone)
        assert heard.shape == tone.shape
        kept[hertz] = power(heard[4000:]) / power(tone)
    assert kept[1000] == pytest.approx(1.0, abs=0.1)
    assert kept[3000] > 0.5
    assert max(kept[100], kept[5000]) < 0.01


@given(length=st.integers(1, 4000))
@settings(deadline=None, max_examples=20)
def test_voice_conditions_keep_the_length(length: int) -> None:
    clip = np.arange(length).astype(np.int16)
    rng = np.random.default_rng(0)
    for altered in (voice.telephone(clip), voice.reverberate(clip, rng), voice.gain(clip, 3.0),
                    voice.mix(clip, voice.white(length, rng), 10.0)):  # fmt: skip
        assert altered.shape == clip.shape
        assert altered.dtype == np.int16


def test_dim_light_leaves_a_share_and_noise() -> None:
    dark = face.dim(np.full((64, 64), 200, np.uint8), np.random.default_rng(0), light=0.25, noise=2.0)
    assert dark.mean() == pytest.approx(50, abs=0.5)
    assert dark.std() == pytest.approx(2.0, abs=0.2)


def test_blur_spreads_and_roll_turns() -> None:
    dot = np.zeros((41, 41), np.uint8)
    dot[10, 20] = 255
    assert np.count_nonzero(face.blur(dot, 1.5)) > 20
    assert np.unravel_index(face.roll(dot, 90).argmax(), dot.shape) == (20, 10)  # counter-clockwise: top to left
    assert face.roll(np.full((48, 48), 99, np.uint8), 30).min() == 99  # no black corners


def test_glasses_cover_the_eyes_and_leave_the_mouth() -> None:
    covered = face.glasses(np.full((48, 48, 3), 200, np.uint8), (16.0, 20.0), (32.0, 20.0))
    assert covered[20, 16].max() < 40
    assert covered[20, 32].max() < 40
    assert covered[20, 24].max() < 40  # the bridge
    assert (covered[28:] == 200).all()
    rolled = face.glasses(np.full((48, 48), 200, np.uint8), (20.0, 16.0), (20.0, 32.0))
    assert rolled[16, 20] < 40
    assert rolled[32, 20] < 40


def test_a_picture_is_set_into_the_middle_of_a_frame() -> None:
    frame = face.in_frame(np.full((48, 48), 250, np.uint8), 100)
    assert frame.shape == (480, 640, 3)
    assert (frame[190:290, 270:370] == 250).all()
    assert np.count_nonzero(frame != face.GREY) == 100 * 100 * 3
    assert face.jpeg(frame)[:2] == b"\xff\xd8"
