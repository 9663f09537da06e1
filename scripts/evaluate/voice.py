"""The voice path's figures: window lengths, the smoothed stream, whole clips; noise and rooms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

from app.quick_check import stream_clip
from app.settings import Settings
from models.conditions import voice as conditions
from models.datasets.speech import Clip
from models.inference import SAMPLE_RATE, Float32, Int16, VoiceModel
from models.labels import LABELS
from models.metrics import uar
from models.pooling import evidence, sharpened
from models.windows import WHOLE_HOP, WHOLE_SECONDS, rms, stream_windows
from scripts.evaluate.answers import Answers, Sounds, View, ask, join
from scripts.evaluate.voices import BluntVoice

TALKERS = 6
"""Voices in a babble."""
STREAM = "smoothed stream"
BLUNT = "smoothed stream, not sharpened"
WHOLE = "whole clip"
WINDOWS = (0.5, 1.0, 2.0, 3.0, 4.0)

NOISES = ("babble", "street (synthetic)", "white noise")
RATIOS = (20, 10, 0)
"""Of the speech to the noise, in dB."""

Alter = Callable[[Clip, Int16], Int16]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and the clips that it is measured on: of people it has not heard."""

    model: VoiceModel
    sounds: Sounds


def views(settings: Settings) -> dict[str, View]:
    """Return every way in which a clip is put to a model, by name.

    A window: cut as the live stream would, every result interval, silent ones left out, judged by itself.
    The smoothed stream: what the viewer sees last when the clip is streamed through a session.
    The whole clip: in windows of 2 s (one window where it is shorter), a quarter second apart, averaged and sharpened.
    """

    def window(seconds: float) -> View:
        return lambda model, _, sound: model.predict(cut(settings, sound, seconds))

    def whole(model: VoiceModel, _: Clip, sound: Int16) -> Float32:
        seconds = min(WHOLE_SECONDS, max(0.5, len(sound) / SAMPLE_RATE))
        windows = stream_windows(sound, seconds, WHOLE_HOP, settings.silence_rms)
        mean = model.predict(windows).mean(axis=0, dtype=np.float64).astype(np.float32)
        return sharpened(mean, evidence(len(windows)), model.traits.sharpening)[None]

    return {
        **{f"{seconds:g} s window": window(seconds) for seconds in WINDOWS},
        STREAM: smoothed(settings),
        WHOLE: whole,
    }


def smoothed(settings: Settings) -> View:
    """Return the view of a clip that a viewer has."""

    def view(model: VoiceModel, _: Clip, sound: Int16) -> Float32:
        shown = stream_clip(settings, model, sound)
        return np.zeros((0, len(LABELS)), np.float32) if shown is None else shown[None]

    return view


def cut(settings: Settings, sound: Int16, seconds: float) -> Int16:
    """Return the windows of a clip [K, seconds * 16000] that the live stream would ask about."""
    return stream_windows(sound, seconds, settings.result_interval, settings.silence_rms)


def accuracy(settings: Settings, subjects: Sequence[Subject]) -> tuple[dict[str, Any], dict[str, Answers]]:
    """Return the figures by view, pooled and model by model, and the pooled answers themselves.

    Where a model sharpens what the stream shows, `not_sharpened` has the stream's figures without that.
    """
    figures: dict[str, Any] = {
        "pooled": {},
        "by_model": {subject.model.name: {} for subject in subjects},
        "over_models": {},
    }
    ways = views(settings)
    sharpens = any(subject.model.traits.sharpening for subject in subjects)
    asked = ways | {BLUNT: _blunt(smoothed(settings))} if sharpens else ways
    parts = {subject.model.name: ask(subject.model, subject.sounds, asked) for subject in subjects}
    pooled = {name: join(part[name] for part in parts.values()) for name in asked}
    for name in ways:
        figures["pooled"][name] = {**pooled[name].figures(), "clips": sum(len(s.sounds) for s in subjects)}
        for model, answers in parts.items():
            figures["by_model"][model][name] = answers[name].figures() if len(answers[name]) else None
        uars = [part[name]["uar"] for part in figures["by_model"].values() if part[name]]
        deviation = float(np.std(uars, ddof=1)) if len(uars) > 1 else None  # of models like these, not of these alone
        figures["over_models"][name] = {"mean": float(np.mean(uars)), "deviation": deviation}
    figures["not_sharpened"] = pooled.pop(BLUNT).figures() if sharpens else None
    return figures, pooled


def alterations(voices: Sounds) -> dict[str, Alter]:
    """Return every condition by name; `voices` are the others in a babble, never the speaker of the clip.

    Chance is seeded by the clip's name: a clip gets the same noise whoever is measured along with it.
    """

    def noisy(noise: Callable[[Clip, int], Float32], snr: float) -> Alter:
        return lambda clip, sound: conditions.mix(sound, noise(clip, len(sound)), snr)

    def babble(clip: Clip, length: int) -> Float32:
        others = [sound for other, sound in voices if other.speaker != clip.speaker]
        return conditions.babble(length, [others[i] for i in _chance(clip).choice(len(others), TALKERS)])

    def street(clip: Clip, length: int) -> Float32:
        return conditions.street(length, _chance(clip))

    def white(clip: Clip, length: int) -> Float32:
        return conditions.white(length, _chance(clip))

    # The noise of a clip is made once for all ratios.
    kinds = {name: lru_cache(maxsize=1)(make) for name, make in zip(NOISES, (babble, street, white), strict=True)}
    if len({clip.speaker for clip, _ in voices}) < 2:
        del kinds["babble"]  # there is nobody else to hear
    return {
        "clean": lambda _, sound: sound,
        **{f"{name}, {snr} dB": noisy(kind, snr) for name, kind in kinds.items() for snr in RATIOS},
        "room, RT60 0.5 s (synthetic)": lambda clip, sound: conditions.reverberate(sound, _chance(clip)),
        **{f"gain {db:+d} dB": _gain(db) for db in (-20, -10, 6)},
        "telephone, 8 kHz mu-law": lambda _, sound: conditions.telephone(sound),
    }


def robustness(settings: Settings, subjects: Sequence[Subject], voices: Sounds) -> dict[str, Any]:
    """Return by condition the UAR of a single window and of the smoothed stream, and what was lost to clean sound.

    The windows are those that hold voice in the clean clip, so that all conditions are judged on the same
    moments; the stream decides for itself what is silence, and `answered` is the share of clips where it spoke. Its
    figures are of the clips that were answered clean as well, and what was lost is against the clean answers to these.
    """
    ways: dict[tuple[str, str], View] = {}
    moments = _of_newest(lambda _, sound: _voiced(settings, sound))
    for name, alter in alterations(voices).items():
        once = _of_newest(alter)
        ways[name, "window"] = _at(settings, moments, once)  # first: the stream asks again about most of these
        ways[name, "stream"] = _altered(smoothed(settings), once)
    parts = [ask(subject.model, subject.sounds, ways, "conditions") for subject in subjects]
    clips = sum(len(subject.sounds) for subject in subjects)

    def said(name: str, way: str) -> Answers:
        return join(part[name, way] for part in parts)

    clean = {way: said("clean", way) for way in ("window", "stream")}
    table: dict[str, Any] = {}
    for name in {name: None for name, _ in ways}:
        table[name] = {way: _against(said(name, way), answers) for way, answers in clean.items()}
        table[name]["answered"] = len(said(name, "stream")) / clips
    return table


def cost_of_noise(table: dict[str, Any], snr: int) -> dict[str, dict[str, float | None]]:
    """Return by noise what that much of it costs a window and the stream, in shares of UAR, out of `robustness`."""
    rows = {noise: table[f"{noise}, {snr} dB"] for noise in NOISES if f"{noise}, {snr} dB" in table}
    return {noise: {part: row[part]["lost"] for part in ("window", "stream")} for noise, row in rows.items()}


def _blunt(view: View) -> View:
    return lambda model, clip, sound: view(BluntVoice(model), clip, sound)


def _altered(view: View, alter: Alter) -> View:
    return lambda model, clip, sound: view(model, clip, alter(clip, sound))


def _voiced(settings: Settings, sound: Int16) -> list[int]:
    """Return where the windows begin that hold voice; in a clip of silence the loudest."""
    length = round(settings.voice_window * SAMPLE_RATE)
    sound = _filled(sound, length)
    at = range(0, len(sound) - length + 1, round(settings.result_interval * SAMPLE_RATE))
    loudness = [rms(sound[start : start + length]) for start in at]
    least = min(settings.silence_rms, max(loudness))
    return [start for start, loud in zip(at, loudness, strict=True) if loud >= least]


def _at(settings: Settings, moments: Callable[[Clip, Int16], list[int]], alter: Alter) -> View:
    length = round(settings.voice_window * SAMPLE_RATE)

    def view(model: VoiceModel, clip: Clip, sound: Int16) -> Float32:
        altered = alter(clip, _filled(sound, length))
        return model.predict(np.stack([altered[start : start + length] for start in moments(clip, sound)]))

    return view


def _filled(sound: Int16, length: int) -> Int16:
    """Put silence before a sound that is shorter."""
    return np.pad(sound, (max(0, length - len(sound)), 0))


def _of_newest(make: Callable[[Clip, Int16], Made]) -> Callable[[Clip, Int16], Made]:
    """Remember what was made of a clip until another comes: it is put to a model in several ways, one by one."""
    kept: dict[tuple[Clip, int], Made] = {}

    def made(clip: Clip, sound: Int16) -> Made:
        key = clip, len(sound)
        if key not in kept:
            kept.clear()
            kept[key] = make(clip, sound)
        return kept[key]

    return made


def _against(answers: Answers, clean: Answers) -> dict[str, Any]:
    """Return the figures of answers about clips that were answered clean as well, and what these have lost."""
    kept = ("n", "uar", "speaker_interval", "ece", "confidence", "recall", "gender_gap", "gender_gap_interval")
    both = np.intersect1d(answers.clips, clean.clips)
    if not len(both):
        return dict.fromkeys((*kept, "lost"))
    these, before = (some.select(np.isin(some.clips, both)) for some in (answers, clean))
    figures = these.figures()
    return {name: figures[name] for name in kept} | {"lost": uar(before.probs, before.labels) - figures["uar"]}


def _gain(db: float) -> Alter:
    return lambda _, sound: conditions.gain(sound, db)


def _chance(clip: Clip) -> np.random.Generator:
    return np.random.default_rng(crc32(clip.path.stem.encode()))
