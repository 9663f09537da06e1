"""Everything the server knows of one viewer. Pure: time is passed in, no socket, clock or model inside."""

from collections import deque
from dataclasses import dataclass

from app import protocol
from app.fusion import late_fusion, top_k, top_label
from app.gate import is_silence
from app.ring_buffer import RingBuffer
from app.settings import Settings
from app.smoothing import Smoother
from models.inference import SAMPLE_RATE, FaceReading, Float32, Int16
from models.labels import LABELS
from models.windows import rms


@dataclass(frozen=True, slots=True)
class Window:
    """A question for the voice model: samples [N], the id of the newest chunk, the time it was taken."""

    samples: Int16
    id: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A question for the face path: a JPEG, its id, the time it arrived."""

    jpeg: bytes
    id: int | None
    at: float


class Session:
    """One viewer's sound, newest frame, smoothed histories and counters.

    The caller feeds it (`receive_audio`, `receive_frame`, `configure`), asks what to infer
    (`take_window`, `take_frame`), brings the answers (`heard`, `saw`), and reads a `result`.
    All times are seconds of one monotonic clock.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._started = now
        self._weight = settings.fusion_weight

        self._ring = RingBuffer(round(settings.voice_window * SAMPLE_RATE))
        self._chunks: deque[int] = deque()  # start positions of chunks that no window covered yet
        self._covered = 0  # position up to which windows covered the sound
        self._levelled = 0  # position up to which results told the level
        self._audio_at: float | None = None
        self._audio_id: int | None = None
        self._heard_id: int | None = None
        self._voices = Smoother(settings.voice_smoothing, settings.result_interval, settings.stale_after)

        self._newest: Picture | None = None
        self._seen: tuple[Picture, FaceReading] | None = None
        self._faces = Smoother(settings.face_smoothing, settings.result_interval, settings.stale_after)

        self._dropped_frames = 0
        self._dropped_audio = 0
        self._missed_results = 0

    # --- what the viewer sends ---

    def receive_audio(self, samples: Int16, number: int | None, now: float) -> None:
        """Take a chunk of sound [N]."""
        if not self._has_sound(now):
            self._restart_sound()
        self._audio_at, self._audio_id = now, number
        self._chunks.append(self._ring.total)
        self._ring.write(samples)
        while self._chunks and self._chunks[0] < self._ring.oldest:
            self._chunks.popleft()
            # Sound from before the first window is no loss: that window came as soon as it was full.
            self._dropped_audio += self._covered > 0

    def receive_frame(self, jpeg: bytes, number: int | None, now: float) -> None:
        """Take a frame; one that still waits is dropped and counted."""
        if self._newest is not None:
            self._dropped_frames += 1
        self._newest = Picture(jpeg, number, now)

    def configure(self, wish: protocol.Configure) -> None:
        """Change this viewer's own settings."""
        if wish.fusion_weight is not None:
            self._weight = wish.fusion_weight
        if wish.voice_smoothing is not None:
            self._voices.resize(wish.voice_smoothing)
        if wish.face_smoothing is not None:
            self._faces.resize(wish.face_smoothing)

    @property
    def settings(self) -> protocol.ViewerSettings:
        """The settings in force for this viewer."""
        return protocol.ViewerSettings(
            fusion_weight=self._weight,
            voice_smoothing=self._voices.count,
            face_smoothing=self._faces.count,
            result_interval=self._settings.result_interval,
            voice_window=self._settings.voice_window,
            silence_rms=self._settings.silence_rms,
        )

    # --- what to infer ---

    def take_window(self, now: float) -> Window | None:
        """Return the newest window [voice_window * 16000] if it is full, new, and not silence."""
        if self._is_warming() or self._ring.total == self._covered or not self._has_sound(now):
            return None
        self._covered = self._ring.total
        self._chunks.clear()
        samples = self._window()
        if is_silence(samples, self._settings.silence_rms):
            return None
        return Window(samples, self._audio_id, now)

    def take_frame(self, now: float) -> Picture | None:
        """Return the newest frame, once, unless it has grown stale."""
        picture, self._newest = self._newest, None
        if picture is not None and self._is_stale(picture.at, now):
            self._dropped_frames += 1
            return None
        return picture

    # --- what the models said ---

    def heard(self, window: Window, probs: Float32, now: float) -> None:
        """Take the voice model's probabilities [7] of a window; an answer that came too late is void."""
        if not self._is_stale(window.at, now):
            self._voices.add(probs, window.at)
            self._heard_id = window.id

    def saw(self, picture: Picture, reading: FaceReading, now: float) -> None:
        """Take the face path's reading of a frame; one that came too late is shown as stale, and void."""
        self._seen = picture, reading
        if reading.probs is not None and not self._is_stale(picture.at, now):
            self._faces.add(reading.probs, picture.at)

    def miss_results(self, count: int = 1) -> None:
        """Count results that the viewer did not get."""
        self._missed_results += count

    # --- what is known ---

    def result(self, now: float) -> protocol.Result:
        """Return what is known at time `now`."""
        voice_state, voice = self._voice(now)
        face_state, face = self._face(now)
        fused = late_fusion(voice, face, self._weight)
        seen = self._seen if face_state in ("ok", "no_face") else None
        box = seen[1].box if seen else None
        new_sound = self._ring.newest(self._ring.total - self._levelled)
        self._levelled = self._ring.total
        return protocol.Result(
            t=round(now - self._started, 3),
            voice=protocol.VoicePart(state=voice_state, label=_label(voice), probs=_named(voice)),
            face=protocol.FacePart(
                state=face_state,
                label=_label(face),
                probs=_named(face),
                box=(box.x, box.y, box.width, box.height) if box else None,
            ),
            fused=protocol.FusedPart(state=_fused_state(voice, face), label=_label(fused), probs=_named(fused)),
            top5=()
            if fused is None
            else tuple(protocol.Ranked(label=label, prob=round(p, 4)) for label, p in top_k(fused, 5)),
            level=round(rms(new_sound), 4),
            used=protocol.Used(
                audio=None if voice is None else self._heard_id,
                frame=seen[0].id if seen else None,
            ),
            dropped=protocol.Dropped(
                frames=self._dropped_frames, audio=self._dropped_audio, results=self._missed_results
            ),
        )

    def _voice(self, now: float) -> tuple[protocol.VoiceState, Float32 | None]:
        if not self._has_sound(now):
            return "absent", None
        if self._is_warming():
            return "warming", None
        probs = self._voices.mean(now)
        if is_silence(self._window(), self._settings.silence_rms):
            return "silence", probs
        if probs is None:  # there is voice, but no answer about it yet
            return "warming", None
        return "ok", probs

    def _face(self, now: float) -> tuple[protocol.FaceState, Float32 | None]:
        if self._seen is None:
            return "absent", None
        picture, reading = self._seen
        if self._is_stale(picture.at, now):
            return "stale", None
        if reading.probs is None:
            return "no_face", None
        return "ok", self._faces.mean(now)

    def _window(self) -> Int16:
        return self._ring.newest(self._ring.capacity)

    def _is_warming(self) -> bool:
        return self._ring.total < self._ring.capacity

    def _is_stale(self, at: float, now: float) -> bool:
        return now - at > self._settings.stale_after

    def _has_sound(self, now: float) -> bool:
        return self._audio_at is not None and not self._is_stale(self._audio_at, now)

    def _restart_sound(self) -> None:
        """Forget the sound before a gap: a window must never join two moments."""
        self._ring.clear()
        self._chunks.clear()
        self._voices.clear()
        self._covered = self._levelled = 0


def _label(probs: Float32 | None) -> str | None:
    return None if probs is None else top_label(probs)


def _named(probs: Float32 | None) -> dict[str, float]:
    if probs is None:
        return {}
    return {label: round(float(p), 4) for label, p in zip(LABELS, probs, strict=True)}


def _fused_state(voice: Float32 | None, face: Float32 | None) -> protocol.FusedState:
    if voice is None:
        return "none" if face is None else "face_only"
    return "voice_only" if face is None else "ok"
