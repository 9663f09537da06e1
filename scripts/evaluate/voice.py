"""The voice path's figures: window lengths, the smoothed stream, whole clips; noise, rooms, and what is no voice."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from app.quick_check import stream_clip
from app.settings import Settings
from models.conditions import voice as conditions
from models.datasets.speech import Clip
from models.inference import SAMPLE_RATE, Float32, Int16, VoiceModel
from models.labels import LABELS
from models.windows import rms, stream_windows
from scripts.evaluate.answers import Answers, Sounds, View, ask, join
from scripts.evaluate.live import sound_events, stream

SURE = 0.6
"""A label shown with more than this counts as a mood that was asserted."""
TALKERS = 6
"""Voices in a babble."""
STREAM = "smoothed stream"
WHOLE = "whole clip"
WINDOWS = (0.5, 1.0, 2.0, 3.0)

Alter = Callable[[Clip, Int16], Int16]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and the clips that it is measured on: of people it has not heard."""

    model: VoiceModel
    sounds: Sounds


def views(settings: Settings) -> dict[str, View]:
    """Return every way in which a clip is put to a model, by name.

    A window: cut as the live stream would, every result interval, silent ones left out, judged by itself.
    The smoothed stream: what the viewer sees last when the clip is streamed through a session.
    The whole clip: in windows of 4 s (one window where it is shorter), a result interval apart, averaged.
    """

    def window(seconds: float) -> View:
        return lambda model, _, sound: model.predict(cut(settings, sound, seconds))

    def whole(model: VoiceModel, _: Clip, sound: Int16) -> Float32:
        seconds = min(4.0, max(0.5, len(sound) / SAMPLE_RATE))
        probs = model.predict(cut(settings, sound, seconds)).mean(axis=0, keepdims=True)
        return np.asarray(probs, np.float32)

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
    """Return the figures by view, pooled and model by model, and the pooled answers themselves."""
    figures: dict[str, Any] = {
        "pooled": {},
        "by_model": {subject.model.name: {} for subject in subjects},
        "over_models": {},
    }
    pooled = {}
    for name, view in views(settings).items():
        parts = {subject.model.name: ask(subject.model, subject.sounds, view, name) for subject in subjects}
        pooled[name] = join(parts.values())
        figures["pooled"][name] = {**pooled[name].figures(), "clips": sum(len(s.sounds) for s in subjects)}
        for model, answers in parts.items():
            figures["by_model"][model][name] = answers.figures() if len(answers) else None
        uars = [part[name]["uar"] for part in figures["by_model"].values() if part[name]]
        figures["over_models"][name] = {"mean": float(np.mean(uars)), "deviation": float(np.std(uars))}
    return figures, pooled


def alterations(voices: Sounds) -> dict[str, Alter]:
    """Return every condition by name; `voices` are the others in a babble, never the speaker of the clip.

    Chance is seeded by the clip's name: a clip gets the same noise whoever is measured along with it.
    """

    def noisy(kind: Callable[[Clip, int, np.random.Generator], Float32], snr: float) -> Alter:
        def alter(clip: Clip, sound: Int16) -> Int16:
            return conditions.mix(sound, kind(clip, len(sound), _chance(clip)), snr)

        return alter

    def babble(clip: Clip, length: int, rng: np.random.Generator) -> Float32:
        others = [sound for other, sound in voices if other.speaker != clip.speaker]
        return conditions.babble(length, [others[i] for i in rng.choice(len(others), TALKERS)])

    kinds: dict[str, Callable[[Clip, int, np.random.Generator], Float32]] = {
        "babble": babble,
        "street (synthetic)": lambda _, length, rng: conditions.street(length, rng),
        "white noise": lambda _, length, rng: conditions.white(length, rng),
    }
    if len({clip.speaker for clip, _ in voices}) < 2:
        del kinds["babble"]  # there is nobody else to hear
    return {
        "clean": lambda _, sound: sound,
        **{f"{name}, {snr} dB": noisy(kind, snr) for name, kind in kinds.items() for snr in (20, 10, 0)},
        "room, RT60 0.5 s (synthetic)": lambda clip, sound: conditions.reverberate(sound, _chance(clip)),
        **{f"gain {db:+d} dB": _gain(db) for db in (-20, -10, 6)},
        "telephone, 8 kHz mu-law": lambda _, sound: conditions.telephone(sound),
    }


def robustness(settings: Settings, subjects: Sequence[Subject], voices: Sounds) -> dict[str, Any]:
    """Return by condition the UAR of a single window and of the smoothed stream, and what was lost to clean sound.

    The windows are those that hold voice in the clean clip, so that all conditions are judged on the same
    moments; the stream decides for itself what is silence, and `answered` is the share of clips where it spoke.
    """
    table: dict[str, Any] = {}
    for name, alter in alterations(voices).items():
        windows = join(ask(s.model, s.sounds, _altered_windows(settings, alter), name) for s in subjects)
        shown = join(ask(s.model, s.sounds, _altered(smoothed(settings), alter), name) for s in subjects)
        table[name] = {
            "window": _short(windows),
            "stream": _short(shown),
            "answered": len(shown) / sum(len(subject.sounds) for subject in subjects),
        }
    for row in table.values():
        for part in ("window", "stream"):
            clean = table["clean"][part]["uar"]
            row[part]["lost"] = None if row[part]["uar"] is None else clean - row[part]["uar"]
    return table


def not_a_voice(settings: Settings, models: Sequence[VoiceModel], seconds: int) -> dict[str, Any]:
    """Return what viewers see of sounds without a voice: the share of results that are silence, and sure moods.

    `gated` is the share of results in the state `silence`; `sure` the share of all others whose label has more
    than `SURE`; `label` the most frequent of all that were shown while not gated.
    """
    length = seconds * SAMPLE_RATE
    rng = np.random.default_rng(0)
    hum, fan, hiss = conditions.hum(length), conditions.brown(length, rng), conditions.white(length, rng)
    sounds = {"silence (±1 of 32768)": rng.integers(-1, 2, length).astype(np.int16)}
    for db in (-55, -45, -35, -25):
        sounds[f"hum 50 Hz, {db} dBFS"] = conditions.at_level(hum, db)
        sounds[f"fan (brown noise), {db} dBFS"] = conditions.at_level(fan, db)
        sounds[f"hiss (white noise), {db} dBFS"] = conditions.at_level(hiss, db)
    table = {}
    for name, sound in sounds.items():
        results = [
            result.voice
            for model in models
            for result in stream(settings, sound_events(sound), voice=model)
            if result.voice.state in ("ok", "silence")
        ]
        heard = [voice for voice in results if voice.state == "ok"]
        sure = [voice for voice in heard if max(voice.probs.values()) > SURE]
        shown = Counter(voice.label for voice in heard)
        table[name] = {
            "rms": rms(sound),
            "gated": 1 - len(heard) / len(results),
            "sure": len(sure) / len(heard) if heard else None,
            "label": shown.most_common(1)[0][0] if shown else None,
        }
    return table


def _altered(view: View, alter: Alter) -> View:
    return lambda model, clip, sound: view(model, clip, alter(clip, sound))


def _altered_windows(settings: Settings, alter: Alter) -> View:
    def view(model: VoiceModel, clip: Clip, sound: Int16) -> Float32:
        length = round(settings.voice_window * SAMPLE_RATE)
        sound = np.pad(sound, (max(0, length - len(sound)), 0))
        at = np.arange(0, len(sound) - length + 1, round(settings.result_interval * SAMPLE_RATE))
        loudness = np.array([rms(sound[start : start + length]) for start in at])
        keep = at[loudness >= min(settings.silence_rms, loudness.max())]
        altered = alter(clip, sound)
        return model.predict(np.stack([altered[start : start + length] for start in keep]))

    return view


def _short(answers: Answers) -> dict[str, Any]:
    kept = ("n", "uar", "speaker_interval", "ece", "recall", "gender_gap")
    if not len(answers):
        return dict.fromkeys(kept)
    figures = answers.figures()
    return {name: figures[name] for name in kept}


def _gain(db: float) -> Alter:
    return lambda _, sound: conditions.gain(sound, db)


def _chance(clip: Clip) -> np.random.Generator:
    return np.random.default_rng(crc32(clip.path.stem.encode()))
