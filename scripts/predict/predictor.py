"""Files to answers: through the models, and through the session that a viewer of the stream would have."""

import heapq
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from app.protocol import BINARY_AUDIO, Result
from app.settings import LATE, Settings
from app.viewer.fusion import late_fusion, sayable
from models.datasets.media import UnreadableMediaError, read_sound
from models.face_path import DetectedFacePath
from models.image import MAX_SIDE
from models.inference import SAMPLE_RATE, FaceReading, Float32, FusionModel, Int16, InvalidImageError, UInt8, VoiceModel
from scripts.evaluate.live import Event, sound_events, stream
from scripts.predict.answer import Answer, Fault, Fused, Used, answer, named
from scripts.predict.sources import UNREAD_PICTURES, kind
from scripts.predict.whole import Onlooker, Together, whole_voice
from scripts.stream_file import CHUNK, UnreadableFileError, media

MAX_PIXELS: Final = 100_000_000
"""Of a picture file: a camera's largest, and three times that as RGB in memory."""

FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What `PICTURES` are named after. Pillow knows more by their beginnings, and hands one, PostScript, to Ghostscript."""

HORIZON: Final = 5.0
"""Seconds of a film that are held back, so that its sound and its pictures come in order."""

Watch = Callable[[float], object]
"""Is told how many seconds of a file are done."""


class Predictor:
    """Answers about files. Not thread-safe: the models are its own.

    Args:
        settings: Those of the server.
        voice: The voice model.
        face: Detector and face model.
        fusion: The fusion model, whose crops the face path gives; None for late fusion.
    """

    def __init__(
        self, settings: Settings, voice: VoiceModel, face: DetectedFacePath, fusion: FusionModel | None = None
    ) -> None:
        self._settings = settings
        self._voice = voice
        self._face = face
        self._fusion = fusion
        self._known = voice.traits.labels, face.model.traits.labels

    def file(self, path: Path, watch: Watch = lambda seconds: None) -> Answer | Fault:
        """Return what is said of a file, or why nothing can be."""
        ways = {"picture": self._picture, "sound": self._sound, "film": self._film}
        try:
            return ways[kind(path)](path, watch)
        except ModuleNotFoundError as error:
            return Fault(named(path), f"needs the package {error.name}: pip install -r requirements.txt")
        except OSError as error:
            return Fault(named(path), error.strerror or str(error))
        except (UnreadableFileError, UnreadableMediaError, InvalidImageError) as error:
            said = str(error).removeprefix(f"{path}: ").removeprefix(f"Error opening {str(path)!r}: ")
            return Fault(named(path), said.encode("utf-8", "replace").decode())

    def moment(self, source: str, picture: UInt8 | None, sound: Int16 | None) -> Answer:
        """Return what is said of one RGB picture [H, W, 3] and a sound [N], either of which may be missing.

        The picture is of the middle of the sound.
        """
        reading = FaceReading() if picture is None else self._face.look(picture)
        voice, windows, window = (None, 0, 0.0) if sound is None else self._whole_voice(sound)
        seconds = 0.0 if sound is None else len(sound) / SAMPLE_RATE
        together = self._together()
        if together is not None and reading.crop is not None and sound is not None:
            together.see(reading.crop, seconds / 2)
            together.hear(sound)
        fused = self._fused(voice, reading.probs, together)
        used = Used(seconds, windows, window, int(picture is not None), int(reading.probs is not None), fused.by)
        return answer(source, used, voice, reading.probs, fused, box=reading.box)

    def _picture(self, path: Path, watch: Watch) -> Answer:
        return self.moment(named(path), read_picture(path), None)

    def _sound(self, path: Path, watch: Watch) -> Answer | Fault:
        sound = read_sound(path)
        if len(sound) < CHUNK:
            return Fault(named(path), "less than 0.1 s of sound in it")
        return self._streamed(path, sound_events(sound), watch)

    def _film(self, path: Path, watch: Watch) -> Answer | Fault:
        with closing(media(path, self._settings.result_interval)) as events:
            return self._streamed(path, in_order(events), watch)

    def _streamed(self, path: Path, events: Iterable[Event], watch: Watch) -> Answer | Fault:
        """Play a file to a session of its own."""
        onlooker, chunks, timeline = Onlooker(self._face), list[Int16](), list[Result]()
        together = self._together()

        def heard() -> Iterator[Event]:
            for event in events:
                yield event
                if event[1] == BINARY_AUDIO:
                    chunks.append(np.frombuffer(event[2], "<i2").astype(np.int16))
                    if together is not None:
                        together.hear(chunks[-1])

        for result in stream(self._settings, heard(), self._voice, onlooker, self._fusion):
            timeline.append(result)
            if together is not None and (crop := onlooker.take_crop()) is not None:
                together.see(crop, result.t)
            watch(result.t)
        if not chunks and not onlooker.pictures:
            return Fault(named(path), "no picture and less than 0.1 s of sound in it")
        sound = np.concatenate([np.zeros(0, np.int16), *chunks])
        voice, windows, window = self._whole_voice(sound) if chunks else (None, 0, 0.0)
        face = onlooker.mean()
        fused = self._fused(voice, face, together)
        used = Used(len(sound) / SAMPLE_RATE, windows, window, onlooker.pictures, onlooker.faces, fused.by)
        return answer(named(path), used, voice, face, fused, timeline=tuple(timeline))

    def _together(self) -> Together | None:
        settings = self._settings
        return None if self._fusion is None else Together(self._fusion, settings.result_interval, settings.silence_rms)

    def _fused(self, voice: Float32 | None, face: Float32 | None, together: Together | None) -> Fused:
        """Take the fusion model's answer, or where it has none, as in the stream, late fusion."""
        probs = None if together is None else together.finish()
        if self._fusion is not None and probs is not None:
            return Fused(probs, self._fusion.traits.labels, self._fusion.name)
        late = late_fusion(voice, face, self._settings.fusion_weight, *self._known)
        return Fused(late, sayable(voice, face, *self._known), None if voice is None or face is None else LATE)

    def _whole_voice(self, sound: Int16) -> tuple[Float32 | None, int, float]:
        return whole_voice(self._voice, sound, self._settings.silence_rms)


def read_picture(path: Path) -> UInt8:
    """Read a picture as RGB [H, W, 3], upright, with no side longer than `MAX_SIDE`.

    Not by `models.image`, which is for what browsers send: photographs are larger, come in other formats, and have
    films and notes behind their end.

    Raises:
        InvalidImageError: It is none that can be decoded whole.
        OSError: It cannot be read.
    """
    data = io.BytesIO(path.read_bytes())
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(data, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise InvalidImageError(f"the picture is {width} x {height}, larger than {MAX_PIXELS} pixels")
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I;16"):  # which Pillow would clip to its darkest 256 values
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            upright.thumbnail((MAX_SIDE, MAX_SIDE))
            return np.array(upright.convert("RGB"), np.uint8)
    except InvalidImageError:
        raise
    except Image.DecompressionBombError as error:  # twice as large as Pillow likes, and not even opened
        raise InvalidImageError(f"the picture is larger than {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        hint = ": save it as JPEG" if path.suffix.lower() in UNREAD_PICTURES else ""
        raise InvalidImageError(f"not a picture that can be decoded{hint}") from error
    except Exception as error:  # Pillow's readers raise whatever they stumble over
        raise InvalidImageError(f"the picture cannot be decoded: {error}") from error


def in_order(events: Iterable[Event], horizon: float = HORIZON) -> Iterator[Event]:
    """Yield the events of a file in the order of their times; tracks may lie up to `horizon` seconds apart in it."""
    waiting: list[tuple[float, int, Event]] = []
    newest = -np.inf
    for number, event in enumerate(events):
        newest = max(newest, event[0])
        heapq.heappush(waiting, (event[0], number, event))
        while waiting[0][0] < newest - horizon:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def length(path: Path) -> float | None:
    """Return how many seconds a film or a sound says it lasts, or None."""
    import av

    try:
        with av.open(str(path)) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError):
        return None
