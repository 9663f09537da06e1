"""Everything the server knows of one viewer. Pure: time is passed in, no socket, clock or model inside."""

from collections import Counter
from collections.abc import Collection
from typing import Literal, NamedTuple

from app import protocol
from app.settings import Settings
from app.viewer.calibration import Calibrator, Learnt, Path
from app.viewer.fusing import Fusing, Pair
from app.viewer.fusion import late_fusion, sayable, top_k, top_label
from app.viewer.hearing import Hearing, Window
from app.viewer.seeing import Picture, Seeing
from models.inference import FaceReading, Float32, Int16, Traits
from models.labels import LABELS

NO_TRAITS = Traits()
NO_TIMES = protocol.Millis()

MissedFor = Literal["late", "unread"]


class Losses(NamedTuple):
    """What a viewer has lost so far, by what and why; of `dropped` in a result the parts."""

    frames_replaced: int = 0
    """By newer ones, before a model was free."""
    frames_stale: int = 0
    """No model was free while they were new enough."""
    audio_unheard: int = 0
    """Chunks whose sound left before a window covered it."""
    results_late: int = 0
    """The server was not in time to make them."""
    results_unread: int = 0
    """The viewer reads too slowly."""


class Session:
    """One viewer's sound, newest frame, smoothed histories, calibration and counters.

    The caller feeds it (`receive_audio`, `receive_frame`, `configure`, `calibrate`), asks what to infer
    (`take_window`, `take_frame`, then `take_pair`), brings the answers (`heard`, `saw`, `fused`), and reads a
    `result`, then the `calibration`.
    All times are seconds of one monotonic clock.

    Args:
        settings: The server's settings.
        now: The time at which it begins.
        voice: What the voice model says of its answers.
        face: What the face model says of its answers.
        fusion: What the fusion model says of its answers; None where there is no such model.
    """

    def __init__(
        self,
        settings: Settings,
        now: float,
        voice: Traits = NO_TRAITS,
        face: Traits = NO_TRAITS,
        fusion: Traits | None = None,
    ) -> None:
        self._settings = settings
        self._started = now
        self._weight = settings.fusion_weight
        self._known = voice.labels, face.labels
        self._known_to_both = () if fusion is None else fusion.labels
        self._hearing = Hearing(settings, voice.sharpening)
        self._seeing = Seeing(settings, face.sharpening)
        self._fusing = Fusing(settings, None if fusion is None else fusion.sharpening)
        self._calibrator = Calibrator(settings, voice, face)
        self._missed: Counter[MissedFor] = Counter()

    # --- what the viewer sends ---

    def receive_audio(self, samples: Int16, number: int | None, now: float) -> None:
        """Take a chunk of sound [N]."""
        self._hearing.receive(samples, number, now)

    def receive_frame(self, jpeg: bytes, number: int | None, now: float) -> None:
        """Take a frame; one that still waits is dropped and counted."""
        self._seeing.receive(jpeg, number, now)

    def configure(self, wish: protocol.Configure) -> None:
        """Change this viewer's own settings."""
        if wish.fusion_weight is not None:
            self._weight = wish.fusion_weight
        if wish.voice_smoothing is not None:
            self._hearing.answers.resize(wish.voice_smoothing)
            self._fusing.answers.resize(wish.voice_smoothing)
        if wish.face_smoothing is not None:
            self._seeing.answers.resize(wish.face_smoothing)

    def calibrate(self, wish: protocol.Calibrate, now: float) -> None:
        """Start to learn how this viewer is when neutral, stop that, or forget what was learnt."""
        match wish.action:
            case "start":
                self._calibrator.start(now)
            case "skip":
                self._calibrator.skip()
            case "reset":
                self._calibrator.reset()
                self._fusing.answers.clear()
        self._apply_what_was_learnt()

    @property
    def settings(self) -> protocol.ViewerSettings:
        """The settings in force for this viewer."""
        return protocol.ViewerSettings(
            fusion_weight=self._weight,
            voice_smoothing=self._hearing.answers.count,
            face_smoothing=self._seeing.answers.count,
            result_interval=self._settings.result_interval,
            voice_window=self._settings.voice_window,
            silence_rms=self._settings.silence_rms,
        )

    # --- what to infer ---

    def take_window(self, now: float) -> Window | None:
        """Return the newest window [voice_window * 16000] if it is full, new, and not silence."""
        return self._hearing.take(now)

    def take_frame(self, now: float) -> Picture | None:
        """Return the newest frame, once, unless it has grown stale."""
        return self._seeing.take(now)

    def take_pair(self, now: float) -> Pair | None:
        """Return the newest window that was heard and the newest face, if one is new and neither is stale."""
        return self._fusing.take(now)

    # --- what the models said ---

    def heard(self, window: Window, probs: Float32, now: float, statistics: Float32 | None = None) -> None:
        """Take the voice model's probabilities [7] of a window, and its statistics [80] where the model is adaptive.

        An answer that came too late is not shown, but teaches: it is of the person, not of the moment.
        """
        self._calibrator.hear(window.at, probs, statistics)
        self._hearing.heard(window, probs, now)
        self._fusing.heard(window, now)

    def saw(self, picture: Picture, reading: FaceReading, now: float) -> None:
        """Take the face path's reading of a frame; one that came too late is shown as stale, and void."""
        if reading.probs is not None:
            self._calibrator.see(picture.at, reading.probs)
        self._seeing.saw(picture, reading, now)
        self._fusing.saw(picture, reading, now)

    def fused(self, pair: Pair, probs: Float32, now: float) -> None:
        """Take the fusion model's probabilities [7] of a pair; what came too late is void."""
        self._fusing.fused(pair, probs, now)

    def miss_results(self, count: int, why: MissedFor = "late") -> None:
        """Count results that the viewer did not get: the server was `late`, or they lay `unread`."""
        self._missed[why] += count

    # --- what is known ---

    def result(self, now: float, ms: protocol.Millis = NO_TIMES) -> protocol.Result:
        """Return what is known at time `now`; a calibration that is due by then has ended.

        `ms` is how long the server took for it.
        """
        self._calibrator.advance(now, self._live_paths(now))
        self._apply_what_was_learnt()
        voice_state, voice, audio_id = self._hearing.shown(now)
        face_state, face, box, frame_id = self._seeing.shown(now)
        fused, labels, by = self._fuse(voice, face, now)
        return protocol.Result(
            t=round(now - self._started, 3),
            voice=protocol.VoicePart(state=voice_state, label=_label(voice), probs=_named(voice)),
            face=protocol.FacePart(
                state=face_state,
                label=_label(face),
                probs=_named(face),
                box=(box.x, box.y, box.width, box.height) if box else None,
            ),
            fused=protocol.FusedPart(state=_fused_state(voice, face), label=_label(fused), probs=_named(fused), by=by),
            top5=()
            if fused is None
            else tuple(protocol.Ranked(label=label, prob=round(p, 4)) for label, p in top_k(fused, 5, labels)),
            level=round(self._hearing.level(), 4),
            used=protocol.Used(audio=audio_id, frame=frame_id),
            dropped=_dropped(self.losses),
            ms=ms,
        )

    @property
    def losses(self) -> Losses:
        """What was lost so far."""
        seeing, missed = self._seeing, self._missed
        return Losses(seeing.replaced, seeing.outdated, self._hearing.dropped, missed["late"], missed["unread"])

    @property
    def calibration(self) -> protocol.Calibration:
        """How far the calibration was at the newest `result` or `calibrate`."""
        return self._calibrator.status

    @property
    def learnt(self) -> Learnt:
        """What this viewer's neutral seconds taught."""
        return self._calibrator.learnt

    @property
    def can_calibrate(self) -> bool:
        """Whether at least one of the models can be calibrated."""
        return self._calibrator.learns("voice") or self._calibrator.learns("face")

    def _fuse(
        self, voice: Float32 | None, face: Float32 | None, now: float
    ) -> tuple[Float32 | None, Collection[str], protocol.FusedBy | None]:
        """Return what both say together [7], the labels that this could name, and what put them together.

        Where both are shown the fusion model's answers count; until there is one, and without such a model, late
        fusion does.
        """
        self._fusing.forget(now, hears=self._hearing.is_live(now))
        if voice is None:  # a voice that begins anew has no part in answers about the old one
            self._fusing.answers.clear()
        together = None if face is None else self._fusing.answers.mean(now)
        if together is not None:
            return together, self._known_to_both, "model"
        by: protocol.FusedBy | None = None if voice is None or face is None else "late"
        return late_fusion(voice, face, self._weight, *self._known), sayable(voice, face, *self._known), by

    def _live_paths(self, now: float) -> set[Path]:
        live: set[Path] = set()
        if self._hearing.is_live(now):
            live.add("voice")
        if self._seeing.is_live(now):
            live.add("face")
        return live

    def _apply_what_was_learnt(self) -> None:
        learnt = self._calibrator.learnt
        self._hearing.refer(self._calibrator.reference)
        self._hearing.answers.factors = learnt.voice
        self._seeing.answers.factors = learnt.face


def _dropped(losses: Losses) -> protocol.Dropped:
    frames = losses.frames_replaced + losses.frames_stale
    return protocol.Dropped(
        frames=frames, audio=losses.audio_unheard, results=losses.results_late + losses.results_unread
    )


def _label(probs: Float32 | None) -> str | None:
    return None if probs is None else top_label(probs)


def _named(probs: Float32 | None) -> dict[str, float]:
    if probs is None:
        return {}
    return {label: round(p, 4) for label, p in zip(LABELS, probs.tolist(), strict=True)}


def _fused_state(voice: Float32 | None, face: Float32 | None) -> protocol.FusedState:
    if voice is None:
        return "none" if face is None else "face_only"
    return "voice_only" if face is None else "ok"
