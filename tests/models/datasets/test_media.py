"""Sound and pictures of sound files and films."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.datasets.media import UnreadableMediaError, read_frames, read_sound
from tests.models.datasets.trees import write_film, write_sound, write_turned_film


def test_sound_is_resampled_to_16_khz_mono(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    stereo = np.stack([np.full(48_000, 0.5), np.full(48_000, 0.25)], axis=1)
    soundfile.write(path, stereo, 48_000)
    sound = read_sound(path)
    assert len(sound) == 16_000
    assert sound[8_000] == pytest.approx(0.375 * 32768, abs=40)


@pytest.mark.parametrize("name", ["a.mp4", "a.flv"])
def test_the_sound_of_a_film_is_that_of_the_same_sound_file(tmp_path: Path, name: str) -> None:
    write_film(tmp_path / name, seconds=1.0)
    write_sound(tmp_path / "a.wav", seconds=1.0)
    film, file = read_sound(tmp_path / name), read_sound(tmp_path / "a.wav")
    assert film.dtype == np.int16
    assert len(film) == pytest.approx(16_000, abs=1_600)  # encoders pad
    spectra = [np.abs(np.fft.rfft(sound[2_000:14_000].astype(np.float64))) for sound in (film, file)]
    assert spectra[0].argmax() == spectra[1].argmax()
    assert spectra[0].max() == pytest.approx(spectra[1].max(), rel=0.1)


@pytest.mark.parametrize("name", ["a.mp4", "a.flv"])
def test_frames_are_spread_evenly_and_in_rgb(tmp_path: Path, name: str) -> None:
    write_film(tmp_path / name, seconds=1.2)
    frames = read_frames(tmp_path / name, 3)
    assert frames.shape == (3, 48, 64, 3)
    assert frames.dtype == np.uint8
    shades = frames.mean(axis=(1, 2, 3))
    # Twelve pictures from 40 to 200: the third, the seventh and the eleventh.
    np.testing.assert_allclose(shades, [40 + 160 * number / 11 for number in (2, 6, 10)], atol=8)


def test_a_short_film_gives_all_that_it_has(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", seconds=0.2)
    assert len(read_frames(tmp_path / "a.mp4", 10)) == 2


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_telephones_film_is_upright(tmp_path: Path, name: str, degrees: int, flipped: bool) -> None:
    seen = write_turned_film(tmp_path / name, degrees, flipped=flipped)
    frames = read_frames(tmp_path / name, 2)
    assert frames.shape == (2, *seen.shape)
    assert np.quantile(np.abs(frames - seen.astype(float)), 0.9) < 6


def test_what_is_not_in_a_film_is_said(tmp_path: Path) -> None:
    write_film(tmp_path / "silent.mp4", sound=False)
    write_film(tmp_path / "blind.mp4", pictures=False)
    with pytest.raises(UnreadableMediaError, match="no sound in it"):
        read_sound(tmp_path / "silent.mp4")
    with pytest.raises(UnreadableMediaError, match="no picture in it"):
        read_frames(tmp_path / "blind.mp4", 1)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 48_000)
    with pytest.raises(UnreadableMediaError, match="no sound in it"):
        read_sound(tmp_path / "empty.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.flv"])
@pytest.mark.parametrize("content", [None, b"", b"neither sound nor film"])
def test_a_damaged_or_missing_file_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableMediaError, match=name):
        read_sound(tmp_path / name)
    with pytest.raises(UnreadableMediaError, match=name):
        read_frames(tmp_path / name, 1)


def test_a_film_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dia125_utt3.mp4"
    write_film(path)
    path.write_bytes(path.read_bytes()[:600])  # its index, at the end, is gone
    with pytest.raises(UnreadableMediaError, match="dia125_utt3"):
        read_sound(path)


def test_a_sound_file_of_what_are_no_numbers_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan, 0.5]), 16_000, subtype="FLOAT")
    with pytest.raises(UnreadableMediaError, match=r"a\.wav: some of its samples are no numbers"):
        read_sound(tmp_path / "a.wav")
