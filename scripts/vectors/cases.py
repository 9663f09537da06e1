"""The cases of the parts: what is done, with what. What it gives is played."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.labels import LABELS

Step = dict[str, Any]
Case = dict[str, Any]

FEAR = [0.05, 0.1, 0.5, 0.05, 0.1, 0.15, 0.05]
HAPPY = [0.02, 0.03, 0.05, 0.6, 0.2, 0.05, 0.05]
CALM = [0.1, 0.05, 0.1, 0.1, 0.5, 0.1, 0.05]
SURE = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
EVEN = [0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.25]
FOUR = ["angry", "happy", "neutral", "sad"]
FOUR_SAID = [0.3, 0.0, 0.0, 0.4, 0.2, 0.1, 0.0]
TWO = ["fear", "surprise"]
TWO_SAID = [0.0, 0.0, 0.75, 0.0, 0.0, 0.0, 0.25]
NEUTRAL = [0.08, 0.06, 0.07, 0.09, 0.55, 0.1, 0.05]
"""A model's mean answer to neutral people."""


def do(name: str, **arguments: Any) -> Step:
    """Make a step."""
    return {"do": name, "with": arguments} if arguments else {"do": name}


def draw(rng: np.random.Generator, labels: list[str] | None = None) -> list[float]:
    """Draw probabilities of some labels, in numbers that JSON keeps short."""
    said = np.array([labels is None or label in labels for label in LABELS])
    weights = rng.gamma(0.7, size=len(LABELS)) * said
    return [round(float(p), 4) for p in weights / weights.sum()]


def constants() -> Iterator[Case]:
    """What is written down on both sides."""
    yield {
        "name": "labels, defaults, bounds and ranges",
        "steps": [do("labels"), do("defaults"), do("bounds"), do("ranges")],
    }


def rounding() -> Iterator[Case]:
    """Halves, near halves, and the ends."""
    halves = [n / 32 for n in range(33)]
    others = [0.00005, 0.00015, 0.99995, 0.12345, 1e-9, 0.3333333, 0.9999999]
    yield {"name": "to four places", "steps": [do("rounded", value=v, digits=4) for v in halves + others]}
    times = [n / 16 for n in range(33)] + [0.0005, 1.0005, 2.0015, 12.3456789, 86400.0625]
    yield {"name": "to three places", "steps": [do("rounded", value=v, digits=3) for v in times]}


def gate() -> Iterator[Case]:
    """Loudness, and the threshold from both sides."""
    sounds = [[], [0, 0], [327, -327], [328, -328], [32767, -32768], [-32768] * 5, [1], [3, 4], [100, -20, 7, 0]]
    yield {"name": "loudness", "steps": [do("rms", samples=samples) for samples in sounds]}
    edges = [
        (0.0, [0, 0]),
        (0.01, [327, -327]),
        (0.01, [328, -328]),
        (1.0, [-32768, -32768]),
        (0.002, []),
        (0.5, [16384]),
    ]
    yield {"name": "threshold", "steps": [do("is_silence", samples=samples, threshold=t) for t, samples in edges]}


def ring_buffer() -> Iterator[Case]:
    """Chunks of every length against the capacity."""
    yield {
        "name": "fills, turns over, takes more than it holds, and starts again",
        "setup": {"capacity": 5},
        "steps": [
            do("newest", count=3),
            do("write", samples=[1, 2, 3]),
            do("newest", count=5),
            do("newest", count=2),
            do("write", samples=[4, 5, 6, 7]),
            do("newest", count=5),
            do("newest", count=1),
            do("newest", count=0),
            do("write", samples=list(range(10, 23))),
            do("newest", count=9),
            do("write", samples=[]),
            do("write", samples=[-1, -2, -3, -4, -5]),
            do("newest", count=4),
            do("clear"),
            do("newest", count=5),
            do("write", samples=[7]),
            do("newest", count=5),
        ],
    }
    rng = np.random.default_rng(1)
    for capacity in (1, 4, 7):
        steps = []
        for start in range(0, 200, 10):
            length = int(rng.integers(0, 2 * capacity + 2))
            steps += [do("write", samples=list(range(start, start + length)))]
            steps += [do("newest", count=int(rng.integers(0, capacity + 2)))]
        yield {"name": f"any chunks, capacity {capacity}", "setup": {"capacity": capacity}, "steps": steps}


def smoothing() -> Iterator[Case]:
    """By count, by age, with factors, sharpened."""
    yield {
        "name": "by count and by age",
        "setup": {"count": 3, "interval": 0.5, "lasting": 2.0},
        "steps": [
            do("mean", now=0.0),
            do("add", probs=FEAR, at=1.0),
            do("mean", now=1.0),
            do("add", probs=HAPPY, at=1.5),
            do("mean", now=1.5),
            do("add", probs=CALM, at=2.0),
            do("mean", now=2.0),
            do("add", probs=SURE, at=2.25),
            do("mean", now=2.25),
            do("mean", now=3.0),  # the oldest is just young enough
            do("mean", now=3.125),
            do("mean", now=3.625),
            do("mean", now=4.25),  # the newest alone lasts
            do("mean", now=4.375),
        ],
    }
    yield {
        "name": "another count, another scale, nothing",
        "setup": {"count": 2, "interval": 1.0, "lasting": 1.0, "sharpening": 0.5},
        "steps": [
            do("add", probs=FEAR, at=0.0),
            do("add", probs=HAPPY, at=0.0),
            do("add", probs=CALM, at=0.25),
            do("mean", now=0.25),
            do("resize", count=4),
            do("add", probs=EVEN, at=0.5),
            do("mean", now=0.5),
            do("factors", factors=[2.0, 1.0, 0.5, 1.0, 0.25, 1.5, 3.0]),
            do("mean", now=0.5),
            do("resize", count=1),
            do("mean", now=0.5),
            do("factors", factors=None),
            do("mean", now=0.5),
            do("clear"),
            do("mean", now=0.5),
        ],
    }
    rng = np.random.default_rng(2)
    for count, sharpening in ((1, 0.6), (5, 0.0), (10, 0.35), (50, 1.0)):
        steps, now = [], 0.0
        for _ in range(30):
            now = round(now + float(rng.choice([0.0, 0.1, 0.5, 0.5, 0.5, 3.0])), 3)
            steps += [do("add", probs=draw(rng), at=now), do("mean", now=round(now + 0.05, 3))]
        setup = {"count": count, "interval": 0.5, "lasting": 2.0, "sharpening": sharpening}
        yield {"name": f"{count} readings, sharpening {sharpening}", "setup": setup, "steps": steps}
    pairs = [(1, 0.5), (4, 0.0), (4, 0.5), (10, 1.0), (50, 1.5)]
    steps = [do("sharpened", mean=mean, count=n, sharpening=s) for mean in (FEAR, SURE, EVEN) for n, s in pairs]
    yield {"name": "sharpened means", "steps": steps}


def fusion() -> Iterator[Case]:
    """Both, one, none; all labels, some, none in common; ties."""
    sides = [(FEAR, HAPPY), (FEAR, None), (None, HAPPY), (None, None), (SURE, FEAR), (EVEN, EVEN)]
    steps = [do("late_fusion", voice=v, face=f, weight=w) for v, f in sides for w in (0.0, 0.3, 0.6, 1.0)]
    yield {"name": "all labels", "steps": steps}
    some = [
        (FEAR, FOUR_SAID, list(LABELS), FOUR),
        (FOUR_SAID, FEAR, FOUR, list(LABELS)),
        (FOUR_SAID, TWO_SAID, FOUR, TWO),
        (SURE, TWO_SAID, list(LABELS), TWO),
        (TWO_SAID, SURE, TWO, [*FOUR, "fear"]),
        (FOUR_SAID, None, FOUR, TWO),
    ]
    steps = [
        do("late_fusion", voice=v, face=f, weight=w, voice_labels=vl, face_labels=fl)
        for v, f, vl, fl in some
        for w in (0.0, 0.6, 1.0)
    ]
    steps += [do("sayable", voice=v, face=f, voice_labels=vl, face_labels=fl) for v, f, vl, fl in some]
    steps += [do("sayable", voice=None, face=None, voice_labels=FOUR, face_labels=TWO)]
    yield {"name": "labels that one cannot say", "steps": steps}
    steps = [do("top_label", probs=probs) for probs in (FEAR, EVEN, SURE, FOUR_SAID)]
    steps += [do("top_k", probs=probs) for probs in (FEAR, EVEN, SURE)]
    steps += [do("top_k", probs=FOUR_SAID, labels=FOUR), do("top_k", probs=FEAR, k=2), do("top_k", probs=FEAR, k=9)]
    steps += [do("top_k", probs=TWO_SAID, labels=TWO), do("top_k", probs=SURE, labels=TWO)]
    yield {"name": "the most probable, ties in the order of the labels", "steps": steps}
    rng = np.random.default_rng(3)
    steps = []
    for _ in range(40):
        voice_labels = [label for label in LABELS if rng.random() < 0.8] or ["sad"]
        face_labels = [label for label in LABELS if rng.random() < 0.8] or ["happy"]
        known = {"voice_labels": voice_labels, "face_labels": face_labels}
        said = {"voice": draw(rng, voice_labels), "face": draw(rng, face_labels)}
        steps.append(do("late_fusion", **said, weight=round(float(rng.random()), 2), **known))
    yield {"name": "any answers, any labels", "steps": steps}


def learning() -> Iterator[Case]:
    """What one, few and many neutral readings teach."""
    numbers = [(0.2, 1.0, 0.01), (-0.4, 2.5, -0.02), (6.0, 36.5, 0.0), (1.0, 1.07, 0.0), (1.0, 1.01, 0.0)]
    windows = [{"mean": mean, "square": square, "slope": slope} for mean, square, slope in numbers]
    yield {
        "name": "references",
        "steps": [
            do("reference", windows=windows[:1]),
            do("reference", windows=windows[:2]),
            do("reference", windows=windows[2:3] * 5),
            do("reference", windows=windows[3:4]),
            do("reference", windows=windows[4:]),
            do("reference", windows=windows * 4),
        ],
    }
    yield {
        "name": "offsets",
        "steps": [
            do("neutral_offset", answers=[NEUTRAL], neutral=NEUTRAL),
            do("neutral_offset", answers=[FEAR, CALM, HAPPY], neutral=NEUTRAL),
            do("neutral_offset", answers=[SURE] * 4, neutral=NEUTRAL),
            do("neutral_offset", answers=[FOUR_SAID, CALM], neutral=[0.2, 0.0, 0.0, 0.1, 0.6, 0.1, 0.0]),
        ],
    }


def ticking() -> Iterator[Case]:
    """In time, late, and very late."""
    for interval, start in ((0.5, 0.0), (0.1, 7.3)):
        rng = np.random.default_rng(4)
        steps, now = [], start
        for _ in range(30):
            now = round(now + float(rng.choice([0.2, 0.9, 1.0, 1.01, 3.7])) * interval, 4)
            steps.append(do("next", now=now))
        yield {
            "name": f"every {interval} s from {start} on",
            "setup": {"interval": interval, "start": start},
            "steps": steps,
        }
