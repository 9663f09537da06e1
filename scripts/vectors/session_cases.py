"""The cases of a whole viewer: sound, frames and answers in, results out."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.labels import LABELS
from scripts.vectors.cases import CALM, EVEN, FEAR, FOUR, FOUR_SAID, HAPPY, NEUTRAL, Case, Step, do, draw

WINDOW = 8000
"""Samples of the half second that the windows of these cases are long."""
SHORT = {"voice_window": 0.5}
BOX = [0.1, 0.2, 0.3, 0.4]
LOUD, QUIET = {"level": 3000, "period": 80}, {"level": 20, "period": 50}
NEUTRAL_WINDOW = {"mean": 0.3, "square": 1.2, "slope": 0.005}
STEADY_WINDOW = {"mean": 0.3, "square": 0.25, "slope": 0.0}


def audio(at: float, number: int | None, samples: int = WINDOW, **sound: int) -> Step:
    """Receive sound, loud unless told otherwise."""
    return do("receive_audio", at=at, id=number, sound={"samples": samples, **(sound or LOUD)})


def frame(at: float, number: int | None) -> Step:
    """Receive a frame."""
    return do("receive_frame", at=at, id=number, frame=f"picture {number}")


def hear(at: float, probs: list[float], **more: Any) -> list[Step]:
    """Take a window, and answer."""
    return [do("take_window", at=at), do("heard", at=at, probs=probs, **more)]


def see(at: float, probs: list[float] | None, box: list[float] | None = BOX) -> list[Step]:
    """Take a frame, and answer."""
    return [do("take_frame", at=at), do("saw", at=at, probs=probs, box=box if probs else None)]


def result(at: float) -> Step:
    """Ask what is known."""
    return do("result", at=at)


def case(name: str, *parts: Step | list[Step], **setup: Any) -> Case:
    """Make a case of half-second windows."""
    steps = [step for part in parts for step in (part if isinstance(part, list) else [part])]
    return {"name": name, "setup": {**setup, "settings": {**SHORT, **setup.get("settings", {})}}, "steps": steps}


def session() -> Iterator[Case]:
    """All of them."""
    yield from _states()
    yield from _late_and_lost()
    yield from _settings()
    yield from _calibrations()
    yield from _anything()


def _states() -> Iterator[Case]:
    yield case("nothing is sent", result(0.5), do("calibration"), do("can_calibrate"), result(60.0625))
    yield case(
        "the window warms up, then a voice alone",
        audio(0.4, 1, 7999),
        do("take_window", at=0.5),
        result(0.5),
        audio(0.6, 2, 1, level=500, period=2),
        do("take_window", at=0.6),
        result(0.6),  # no answer yet
        do("heard", at=0.7, probs=FEAR),
        result(0.7),
        do("take_window", at=1.0),  # nothing new
        result(1.0),
        now=0.1,
    )
    yield case(
        "silence shows the history until it has aged out",
        audio(0.5, 1),
        hear(0.5, FEAR),
        result(0.5),
        audio(1.0, 2, **QUIET),
        do("take_window", at=1.0),
        result(1.0),
        audio(2.4, 3, **QUIET),
        result(2.5),
        result(2.75),
        settings={"voice_smoothing": 2},
    )
    yield case(
        "a face alone, no face, a stale frame, a frame again",
        frame(0.1, 7),
        see(0.5, HAPPY),
        result(0.5),
        frame(0.9, 8),
        see(1.0, None),
        result(1.0),
        frame(1.4, None),
        see(1.5, FEAR),
        result(1.5),
        result(3.4),
        result(3.5),
        frame(9.0, 9),
        see(9.0, CALM),
        result(9.0),
    )
    yield case(
        "both, then one after the other goes",
        audio(0.5, 1),
        frame(0.5, 2),
        hear(0.5, FEAR),
        see(0.5, HAPPY),
        result(0.5),
        audio(1.0, 3),
        hear(1.0, CALM),
        frame(1.1, 4),
        see(1.1, EVEN),
        result(1.1),
        result(3.05),
        result(3.2),
        voice={"sharpening": 0.55},
        face={"sharpening": 0.2},
    )


def _late_and_lost() -> Iterator[Case]:
    yield case("sound that ended before anybody asked has no level", audio(1.0, 1), result(3.125), result(3.625))
    yield case(
        "a frame that nobody looked at in time is gone", frame(1.0, 1), result(3.0), result(3.125),
        frame(4.0, 2), see(4.0, HAPPY), result(4.0),
    )  # fmt: skip
    yield case(
        "sound before and after a gap is never joined",
        audio(0.5, 1),
        hear(0.5, FEAR),
        audio(5.0, 2, 4000),
        do("take_window", at=5.0),
        result(5.0),
        audio(5.2, 3, 4000, level=900, period=33),
        do("take_window", at=5.2),
        result(5.2),  # nothing of what was said before
        do("heard", at=5.25, probs=HAPPY),
        result(5.25),
        settings={"voice_smoothing": 50},
    )
    yield case(
        "an answer about the sound before a gap is void, though it is not late",
        audio(0.9, 1),
        do("take_window", at=1.4),
        audio(2.95, 2),
        do("heard", at=3.2, probs=FEAR),
        result(3.3),
        settings={"voice_smoothing": 50},
    )
    yield case(
        "answers that come too late are void",
        audio(0.5, 1),
        frame(0.5, 1),
        do("take_window", at=0.5),
        do("take_frame", at=0.5),
        audio(2.4, 2),
        frame(2.4, 2),
        do("heard", at=2.6, probs=FEAR),
        do("saw", at=2.6, probs=FEAR, box=BOX),
        result(2.6),
        do("take_window", at=2.7),
        do("take_frame", at=2.7),
        do("heard", at=2.8, probs=CALM),
        do("saw", at=2.8, probs=HAPPY, box=[0.0, 0.0, 1.0, 1.0]),
        result(2.8),
    )
    yield case(
        "frames that are replaced or grow stale are counted, the newest is seen once",
        [frame(0.1 * n, n) for n in range(1, 5)],
        see(0.5, HAPPY),
        do("take_frame", at=0.5),
        result(0.5),
        frame(0.6, 9),
        do("take_frame", at=2.7),
        result(2.7),
    )
    yield case(
        "sound that no window covered is counted in chunks, results that were missed too",
        [audio(0.25 * n, n, 4000) for n in range(6)],
        do("take_window", at=1.3),
        result(1.3),
        [audio(1.25 + 0.25 * n, 10 + n, 4000, level=500 * n, period=7) for n in range(1, 7)],
        result(2.8),
        do("miss_results", count=2),
        do("take_window", at=2.8),
        result(2.8),
        audio(3.0, 20, 30_000),  # more than the ring holds
        do("take_window", at=3.0),
        do("miss_results", count=1),
        result(3.1),
    )


def _settings() -> Iterator[Case]:
    yield case(
        "a viewer's own settings",
        audio(0.5, 1),
        hear(0.5, FEAR),
        frame(0.5, 2),
        see(0.5, HAPPY),
        do("configure", fusion_weight=0.25),
        result(0.5),
        [step for at in (1.0, 1.5, 2.0, 2.5, 3.0) for step in (audio(at, 3), *hear(at, CALM), result(at))],
        do("configure", voice_smoothing=1, face_smoothing=3),
        result(3.0),
        do("configure", voice_smoothing=50),
        audio(3.5, 10),
        hear(3.5, EVEN),
        frame(3.5, 11),
        see(3.5, FEAR),
        do("configure", fusion_weight=1.0),
        result(3.5),
        do("configure"),
        result(3.75),
    )
    yield case(
        "labels that a model cannot say",
        audio(0.5, 1),
        frame(0.5, 2),
        see(0.5, FOUR_SAID),
        result(0.5),
        hear(0.5, FEAR),
        result(0.5),
        result(2.4),
        face={"labels": FOUR},
    )
    yield case(
        "with the gate off a voice is never silent",
        audio(0.5, 1, level=0, period=1),
        hear(0.5, FEAR),
        result(0.5),
        settings={"silence_rms": 0.0},
    )


KNOWN, ADAPTIVE = {"neutral": NEUTRAL}, {"adaptive": True}


def _speak(ticks: range, probs: list[float], face: list[float] | None = None, **more: Any) -> list[Step]:
    """Talk twice a second, and be looked at where there is an answer about a face."""
    steps: list[Step] = []
    for tick in ticks:
        at = tick / 2
        steps += [audio(at, tick), *hear(at, probs, **more)]
        if face is not None:
            steps += [frame(at, tick), *see(at, face)]
        steps += [result(at), do("calibration")] if tick % 2 else []
    return steps


def _calibrations() -> Iterator[Case]:
    brief = {"calibration_seconds": 3.0}
    yield case(
        "a person is learnt, by answers alone",
        _speak(range(1, 3), FEAR, HAPPY),
        do("calibrate", at=1.0, action="start"),
        _speak(range(3, 12), CALM, EVEN),
        do("learnt"),
        _speak(range(12, 14), FEAR, HAPPY),
        do("calibrate", at=7.0, action="reset"),
        result(7.0),
        do("learnt"),
        settings=brief,
        voice=KNOWN,
        face={**KNOWN, "sharpening": 0.3},
    )
    yield case(
        "a person is learnt by an adaptive model, which is asked as nobody meanwhile",
        _speak(range(1, 2), FEAR),
        do("calibrate", at=0.5, action="start"),
        _speak(range(2, 11), CALM, described=NEUTRAL_WINDOW),
        do("learnt"),
        _speak(range(11, 13), FEAR),
        do("calibrate", at=6.0, action="start"),
        audio(6.5, 100),
        do("take_window", at=6.5),
        do("calibrate", at=6.6, action="skip"),
        do("heard", at=6.6, probs=HAPPY),  # asked with another reference
        result(6.6),
        do("can_calibrate"),
        settings=brief,
        voice=ADAPTIVE,
    )
    yield case(
        "of a steady noise nothing is learnt",
        do("calibrate", at=0.5, action="start"),
        _speak(range(2, 30), CALM, described=STEADY_WINDOW),
        result(15.0),
        do("calibration"),
        do("learnt"),
        settings=brief,
        voice=ADAPTIVE,
    )
    yield case(
        "too little is heard and seen",
        do("calibrate", at=0.0, action="start"),
        audio(0.6, 1),
        hear(0.6, CALM),
        result(0.6),
        do("calibration"),
        result(8.9),
        do("calibration"),
        result(9.0),
        do("calibration"),
        do("calibrate", at=9.5, action="skip"),
        do("calibrate", at=10.0, action="start"),
        do("calibrate", at=10.5, action="skip"),
        settings=brief,
        voice=KNOWN,
        face=KNOWN,
    )
    for count in (3, 4):
        yield case(
            f"{count} readings when patience ends",
            do("calibrate", at=0.0, action="start"),
            _speak(range(1, 2 + count), CALM),  # the first window began before the start
            result(9.0),
            do("calibration"),
            do("learnt"),
            settings=brief,
            voice=KNOWN,
            face=KNOWN,
        )
    yield case(
        "what is learnt of the voice alone leaves what was learnt of the face; few long intervals are four at least",
        do("calibrate", at=0.0, action="start"),
        _speak(range(2, 12), CALM, EVEN),
        do("learnt"),
        do("calibrate", at=9.0, action="start"),
        _speak(range(19, 29), HAPPY),
        do("learnt"),
        settings={**brief, "result_interval": 1.0},
        voice=KNOWN,
        face=KNOWN,
    )
    yield case(
        "a camera that sends no face is waited for, the voice is learnt in the end",
        do("calibrate", at=0.25, action="start"),
        [
            step
            for tick in range(1, 20)
            for step in (
                audio(tick / 2, tick),
                *hear(tick / 2, CALM),
                frame(tick / 2, tick),
                *see(tick / 2, None),
                result(tick / 2),
                do("calibration"),
            )
        ],
        do("learnt"),
        settings=brief,
        voice=KNOWN,
        face=KNOWN,
    )
    yield case(
        "models that cannot be calibrated learn nothing",
        do("can_calibrate"),
        do("calibrate", at=0.0, action="start"),
        _speak(range(1, 20), CALM, EVEN),
        do("learnt"),
        settings=brief,
    )


def _anything() -> Iterator[Case]:
    """Yield sessions in which anything follows on anything."""
    known: list[dict[str, Any]] = [
        {},
        {"voice": {"sharpening": 0.4}, "face": {"sharpening": 0.15, "labels": FOUR}},
        {"voice": {**ADAPTIVE, "sharpening": 0.5}, "face": KNOWN, "settings": {"result_interval": 0.25}},
        {"voice": {**KNOWN, "labels": FOUR}, "face": {**KNOWN, "labels": ["fear", *FOUR]}},
    ]
    for seed, part in enumerate(known * 2):
        setup = {**part, "settings": {"calibration_seconds": 3.0, "face_smoothing": 3, **part.get("settings", {})}}
        yield case(f"anything, {seed}", _random_steps(np.random.default_rng(seed), setup), **setup)


def _random_steps(rng: np.random.Generator, setup: dict[str, Any]) -> list[Step]:
    said = {path: setup.get(path, {}).get("labels", list(LABELS)) for path in ("voice", "face")}
    interval = setup["settings"].get("result_interval", 0.5)
    steps: list[Step] = []
    now = 0.0
    for number in range(1, 41):
        pause = float(rng.choice([0.2, 0.5, 1.0, 6.0], p=[0.2, 0.2, 0.57, 0.03]))
        now = round(now + pause * interval, 3)
        chance = rng.random(9)
        if chance[0] < 0.85:
            level = int(rng.choice([0, 40, 70, 2000, 9000]))
            samples, period = int(rng.choice([1600, 4000, 8000])), int(rng.integers(2, 90))
            steps.append(audio(now, number, samples, level=level, period=period))
        if chance[1] < 0.7:
            steps.append(frame(now, number))
        if chance[2] < 0.75:
            steps.append(do("take_window", at=now))
        if chance[3] < 0.7:
            steps.append(do("take_frame", at=now))
        later = round(now + float(rng.choice([0.0, 0.05, 0.2])), 3)
        if chance[4] < 0.75:
            back = int(rng.choice([0, 0, 0, 1]))
            more: dict[str, Any] = {"back": back} if back else {}
            if "adaptive" in setup.get("voice", {}):
                more["described"] = {**NEUTRAL_WINDOW, "mean": round(float(rng.normal()), 2)}
            steps.append(do("heard", at=later, probs=draw(rng, said["voice"]), **more))
        if chance[5] < 0.7:
            is_face = rng.random() < 0.8
            steps.append(
                do("saw", at=later, probs=draw(rng, said["face"]), box=BOX) if is_face else do("saw", at=later)
            )
        if chance[6] < 0.1:
            steps.append(_random_wish(rng))
        if chance[7] < 0.06 or number == 2:
            action = "start" if number == 2 else str(rng.choice(["start", "skip", "reset"]))
            steps.append(do("calibrate", at=now, action=action))
        now = max(now, later)
        if chance[8] < 0.4:
            steps += [result(now), do("calibration"), do("learnt")]
    return steps


def _random_wish(rng: np.random.Generator) -> Step:
    wishes = [
        {"fusion_weight": round(float(rng.random()), 2)},
        {"voice_smoothing": int(rng.integers(1, 9))},
        {"face_smoothing": int(rng.integers(1, 9)), "voice_smoothing": None},
    ]
    return do("configure", **wishes[int(rng.integers(3))])
