"""Where sound comes from: the microphone, or a file that is played in real time. Int16 mono at 16 kHz."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import numpy as np

from models.inference import SAMPLE_RATE, Int16
from scripts.webcam.faults import DeviceError

MICROPHONE: Final = "mic"
"""How the command line names it."""
CHUNK: Final = SAMPLE_RATE // 10
PATIENCE: Final = 3.0
"""Seconds without sound after which a microphone is taken for broken."""
_POLL: Final = 0.1
_NOTHING: Final = np.zeros(0, np.int16)


class Sound(Protocol):
    """A source of sound. `chunks` is read by one thread; any thread may `close`."""

    def chunks(self) -> Generator[Int16, None, None]:
        """Yield samples [N] as they come, N = 0 when there are none yet; end when the sound does or is closed.

        Raises:
            DeviceError: It cannot be opened, or gives nothing.
        """
        ...

    def close(self) -> None:
        """End `chunks`."""
        ...


class Microphone:
    """The system's default microphone, through PortAudio. It is open only while `chunks` is read."""

    def __init__(self) -> None:
        self._closing = threading.Event()

    def chunks(self) -> Generator[Int16, None, None]:
        """Yield what the microphone hears."""
        try:
            import sounddevice
        except OSError as error:  # the package is there, its library is not
            raise DeviceError("no microphone: PortAudio is missing (Debian: apt install libportaudio2)") from error
        except ImportError as error:
            raise DeviceError("no microphone: the package sounddevice is missing (pip install sounddevice)") from error
        waiting: SimpleQueue[Int16] = SimpleQueue()

        def take(samples: Int16, count: int, times: object, status: object) -> None:
            waiting.put(samples[:, 0].copy())

        try:
            stream, rate = _open(sounddevice, take)
        except (sounddevice.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DeviceError(f"no microphone is there, or it cannot be opened ({reason})") from error
        convert = _converter(rate)
        with stream:
            idle = 0.0
            while not self._closing.is_set():
                try:
                    samples = waiting.get(timeout=_POLL)
                except Empty:
                    idle += _POLL
                    if idle > PATIENCE:
                        raise DeviceError("the microphone gives nothing: was it unplugged?") from None
                    yield _NOTHING
                else:
                    idle = 0.0
                    yield convert(samples)

    def close(self) -> None:
        """End `chunks`, and switch the microphone off."""
        self._closing.set()


def _open(sounddevice: Any, take: Callable[..., None]) -> tuple[Any, int]:
    """Open the microphone at 16 kHz; at its own rate where its driver takes no other."""
    usual = sounddevice.query_devices(kind="input")["default_samplerate"]
    for rate in (SAMPLE_RATE, int(usual)):
        try:
            return sounddevice.InputStream(samplerate=rate, channels=1, dtype="int16", callback=take), rate
        except sounddevice.PortAudioError:
            if rate == int(usual):
                raise
    raise AssertionError("unreachable")


def _converter(rate: int) -> Callable[[Int16], Int16]:
    if rate == SAMPLE_RATE:
        return lambda samples: samples
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16")
    return lambda samples: np.asarray(stream.resample_chunk(samples), np.int16)


class SoundFile:
    """The sound of a file, played in real time without being heard: at time t after `epoch` comes its t-th second.

    Args:
        path: Anything with sound that FFmpeg reads.
        epoch: When its first sample is due, on `clock`. Who opens it later hears what is due then.
        clock: Seconds, monotonic.
        pause: Waits so many seconds; for tests. None waits for real, or until it is closed.
    """

    def __init__(
        self,
        path: Path,
        epoch: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._path = path
        self._epoch = epoch
        self._clock = clock
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait

    def chunks(self) -> Generator[Int16, None, None]:
        """Yield chunks of 0.1 s, each when its last sample is due; the last one may be shorter."""
        position = 0
        first = round((self._clock() - self._epoch) * SAMPLE_RATE)
        for chunk in read_sound(self._path):
            position += len(chunk)
            if position <= first:
                continue
            self._pause(max(0.0, self._epoch + position / SAMPLE_RATE - self._clock()))
            if self._closing.is_set():
                return
            yield chunk

    def close(self) -> None:
        """End `chunks`."""
        self._closing.set()


def read_sound(path: Path) -> Iterator[Int16]:
    """Yield a file's sound in chunks of 0.1 s; silence where its track begins later than its picture.

    Raises:
        DeviceError: There is none that can be read.
    """
    import av  # here, because it is not in the slim set

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DeviceError(f"{path}: no sound in it")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            waiting: Int16 | None = None
            for frame in chain(container.decode(audio=0), (None,)):
                if waiting is None:
                    late = float(frame.time or 0.0) - (container.start_time or 0) / av.time_base if frame else 0.0
                    waiting = np.zeros(max(0, round(late * SAMPLE_RATE)), np.int16)
                parts = [part.to_ndarray().ravel() for part in resampler.resample(frame)]
                waiting = np.concatenate([waiting, *parts])
                while len(waiting) >= CHUNK:
                    yield waiting[:CHUNK]
                    waiting = waiting[CHUNK:]
            if waiting is not None and len(waiting):
                yield waiting
    except (av.FFmpegError, OSError) as error:
        raise DeviceError(f"{path}: {error.strerror}") from error


def has_sound(path: Path) -> bool:
    """Whether a file has sound that can be read."""
    try:
        return next(read_sound(path), None) is not None
    except DeviceError:
        return False
