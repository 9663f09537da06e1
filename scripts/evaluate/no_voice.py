"""What viewers see of sounds that are no voice: of the kinds that training names nobody's mood, and of others."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.settings import Settings
from models.conditions import voice as conditions
from models.inference import SAMPLE_RATE, Int16, VoiceModel
from models.windows import rms
from scripts.evaluate.live import sound_events, stream

SURE = 0.6
"""A label shown with more than this counts as a mood that was asserted."""
ALL_LEVELS, TWO_LEVELS = (-55, -45, -35, -25), (-45, -25)
"""In dBFS, of what a quiet room has, and of all else; the gate lies below -45."""


def sounds(seconds: int) -> dict[str, Int16]:
    """Return every sound [seconds * 16000] by name; the last four are made by no kind of `models.non_speech`."""
    length, rng = seconds * SAMPLE_RATE, np.random.default_rng(0)
    of_rooms = {
        "hum 50 Hz": conditions.hum(length),
        "fan (brown noise)": conditions.brown(length, rng),
        "hiss (white noise)": conditions.white(length, rng),
    }
    made = {"silence (±1 of 32768)": rng.integers(-1, 2, length).astype(np.int16)}
    others = {
        "hiss above 4 kHz": conditions.high_hiss(length, rng),
        "noise rising 6 dB an octave": conditions.rising(length, rng),
        "knocks, two a second": conditions.knocks(length),
        "siren, 500 to 1300 Hz": conditions.siren(length),
        "organ, a chord": conditions.chord(length),
        "plucked strings, a melody": conditions.melody(length),
        "motor, revved up": conditions.motor(length),
        "applause": conditions.applause(length, rng),
    }
    for kinds, levels in ((of_rooms, ALL_LEVELS), (others, TWO_LEVELS)):
        made |= {f"{name}, {db} dBFS": conditions.at_level(kind, db) for db in levels for name, kind in kinds.items()}
    return made


def measure(settings: Settings, models: Sequence[VoiceModel], seconds: int) -> dict[str, Any]:
    """Return what viewers see of each of `sounds`: the share of results that are silence, and sure moods.

    `gated` is the share of results in the state `silence`; `sure` the share of all others whose label has more
    than `SURE`; `surest` the most that any label had, `label` the most frequent of all shown, both while not gated.
    """
    table = {}
    for name, sound in sounds(seconds).items():
        results = [
            result.voice
            for model in models
            for result in stream(settings, sound_events(sound), voice=model)
            if result.voice.state in ("ok", "silence")
        ]
        heard = [voice for voice in results if voice.state == "ok"]
        highest = [max(voice.probs.values()) for voice in heard]
        shown = Counter(voice.label for voice in heard)
        table[name] = {
            "rms": rms(sound),
            "gated": 1 - len(heard) / len(results),
            "sure": sum(p > SURE for p in highest) / len(heard) if heard else None,
            "surest": max(highest, default=None),
            "label": shown.most_common(1)[0][0] if shown else None,
        }
    return table
