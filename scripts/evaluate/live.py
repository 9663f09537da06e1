"""Sound and pictures through a real session, in the clip's own time: nothing waits, nothing is mocked."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from app.protocol import BINARY_AUDIO, BINARY_FRAME, Calibrate, Result
from app.quick_check import hear_window
from app.settings import Settings
from app.viewer.calibration import Learnt
from app.viewer.session import NO_TRAITS, Session
from models.inference import SAMPLE_RATE, FacePath, FaceReading, FusionModel, Int16, VoiceModel

CHUNK = SAMPLE_RATE // 10

ROUNDING = 1e-6
"""Seconds by which a sum of chunk lengths may miss the time that is meant."""

Event = tuple[float, int, bytes]
"""Seconds since the start, kind (`BINARY_AUDIO`, `BINARY_FRAME`), payload: PCM16 or a JPEG."""


def sound_events(sound: Int16) -> Iterator[Event]:
    """Yield a sound in chunks of 0.1 s, each when its last sample has been spoken."""
    for start in range(0, len(sound), CHUNK):
        chunk = sound[start : start + CHUNK]
        yield (start + len(chunk)) / SAMPLE_RATE, BINARY_AUDIO, chunk.astype("<i2").tobytes()


def picture_events(jpegs: Sequence[bytes], seconds: float) -> Iterator[Event]:
    """Yield pictures spread evenly over so many seconds, each in the middle of its share."""
    for index, payload in enumerate(jpegs):
        yield (index + 0.5) * seconds / len(jpegs), BINARY_FRAME, payload


def one_after_another(parts: Iterable[Iterable[Event]]) -> Iterator[Event]:
    """Yield the events of several recordings, each beginning where the newest of those before it was."""
    began = newest = 0.0
    for part in parts:
        for at, kind, payload in part:
            newest = began + at
            yield newest, kind, payload
        began = newest


def stream(
    settings: Settings,
    events: Iterable[Event],
    voice: VoiceModel | None = None,
    face: FacePath | None = None,
    fusion: FusionModel | None = None,
) -> Iterator[Result]:
    """Yield every result that a viewer would get who sends these events, which come in order of time.

    As the server does, the models are asked when a result is due, about the newest window and the newest frame;
    they answer at once. What came after the last due result gets one more.
    """
    for _, result in play(settings, _session(settings, voice, face, fusion), events, voice, face, fusion=fusion):
        yield result


def learn(
    settings: Settings, events: Iterable[Event], voice: VoiceModel | None = None, face: FacePath | None = None
) -> Learnt:
    """Return what a session learns that is calibrated on what somebody neutral sends, from its first event on.

    Where it is too little, nothing more comes until the session's patience is at an end.
    """
    session = _session(settings, voice, face)
    if not session.can_calibrate:
        return session.learnt
    now = 0.0
    session.calibrate(Calibrate(action="start"), now)
    for at, _ in play(settings, session, events, voice, face):
        now = at
        if session.calibration.state != "collecting":
            return session.learnt
    while session.calibration.state == "collecting":
        now += settings.result_interval
        session.result(now)
    return session.learnt


def _session(
    settings: Settings, voice: VoiceModel | None, face: FacePath | None, fusion: FusionModel | None = None
) -> Session:
    return Session(
        settings,
        now=0.0,
        voice=NO_TRAITS if voice is None else voice.traits,
        face=NO_TRAITS if face is None else face.model.traits,
        fusion=NO_TRAITS if fusion is None else fusion.traits,
    )


def play(
    settings: Settings,
    session: Session,
    events: Iterable[Event],
    voice: VoiceModel | None,
    face: FacePath | None,
    began: float = 0.0,
    fusion: FusionModel | None = None,
) -> Iterator[tuple[float, Result]]:
    """Yield each result of a session with its time, while events of the time from `began` on are sent to it."""
    ticks = 1
    newest = began

    def result(now: float) -> Result:
        if voice is not None:
            hear_window(session, voice, now)
        if face is not None and (picture := session.take_frame(now)):
            reading = face.analyse([picture.jpeg], [picture.trace])[0]
            if isinstance(reading, FaceReading):
                session.saw(picture, reading, now)
        if fusion is not None and (pair := session.take_pair(now)):
            session.fused(pair, fusion.predict(pair.window[None], pair.crop[None])[0], now)
        return session.result(now)

    for at, kind, payload in events:
        while at > (due := began + ticks * settings.result_interval) + ROUNDING:
            yield due, result(due)
            ticks += 1
        newest = at
        if kind == BINARY_AUDIO:
            session.receive_audio(np.frombuffer(payload, "<i2").astype(np.int16), None, at)
        else:
            session.receive_frame(payload, None, at)
    yield newest, result(newest)
