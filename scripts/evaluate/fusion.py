"""Late fusion: on real audio-visual clips of somebody whom neither model knows, and on synthetic pairs."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.fusion import late_fusion
from app.quick_check import synthetic_pairs
from app.settings import Settings
from models.datasets.layout import DataLayoutError
from models.datasets.speech import RAVDESS_EMOTIONS, ravdess, read_sound
from models.inference import SAMPLE_RATE, FacePath, Float32, VoiceModel
from models.labels import LABELS
from models.metrics import paired_interval, report, uar
from scripts.evaluate.answers import Answers, LeakageError
from scripts.evaluate.live import Event, picture_events, sound_events, stream

logger = logging.getLogger(__name__)

WEIGHTS = tuple(step / 10 for step in range(11))
_VIDEO_NAME = re.compile(r"01-01-(0[1-8])-0[12]-0[12]-0[12]-([0-2]\d)\.mp4", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scene:
    """An audio-visual clip: its name, what was acted, by whom, and how to get what a client would send of it."""

    name: str
    label: str
    speaker: str
    events: Callable[[], Iterable[Event]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown last of a scene by each path [7] (None: never anything), and how many results found a face."""

    voice: Float32 | None
    face: Float32 | None
    fused: Float32 | None
    looked: int
    found: int


def face_crop_scenes(root: Path, sounds: Path) -> list[Scene]:
    """List `root/faces/CLIP/NN.jpg`, pictures spread evenly over a clip, with the sound CLIP below `sounds`.

    Raises:
        DataLayoutError: No clip has both.
    """
    scenes = []
    for clip in ravdess(sounds):
        folder = root / "faces" / clip.path.stem
        pictures = sorted(folder.glob("*.jpg"))
        if pictures:
            scenes.append(Scene(folder.name, clip.label, clip.speaker, _events_of(pictures, clip.path)))
    if not scenes:
        raise DataLayoutError(f"no faces/03-01-.../NN.jpg below {root} whose sound is below {sounds}")
    return scenes


def video_scenes(root: Path) -> list[Scene]:
    """List `root/clips/01-01-*.mp4`, RAVDESS' published audio-visual clips; empty where PyAV is not installed."""
    try:
        from scripts.stream_file import media
    except ImportError as error:
        logger.warning("no videos: %s", error)
        return []

    def events(path: Path) -> Callable[[], Iterable[Event]]:
        # Pictures come more often than results are due; each result takes the newest.
        return lambda: sorted(media(path, 0.1), key=lambda event: event[0])

    matches = [(path, _VIDEO_NAME.fullmatch(path.name)) for path in sorted((root / "clips").glob("*.mp4"))]
    return [
        Scene(path.stem, RAVDESS_EMOTIONS[match[1]], f"ravdess-{match[2]}", events(path))
        for path, match in matches
        if match
    ]


def watch(settings: Settings, scene: Scene, voice: VoiceModel, face: FacePath) -> Shown:
    """Stream a scene through a session.

    Raises:
        LeakageError: The voice model has heard its speaker.
    """
    if scene.speaker in voice.heard or not voice.heard:
        raise LeakageError(f"{voice.name} was trained on or chosen by {scene.speaker}, or does not say on whom")
    results = list(stream(settings, scene.events(), voice, face))
    looked = [result.face.state for result in results if result.face.state in ("ok", "no_face")]
    return Shown(
        voice=_last(result.voice.probs for result in results),
        face=_last(result.face.probs for result in results),
        fused=_last(result.fused.probs for result in results),
        looked=len(looked),
        found=looked.count("ok"),
    )


def real(
    settings: Settings,
    scenes: list[Scene],
    voice: VoiceModel,
    face: FacePath,
    draw: Callable[[str, Float32, NDArray[np.int64]], None],
) -> dict[str, Any]:
    """Return the figures of voice, face and fused on the same scenes, the paired gain, and the sweep of the weight.

    The gain is of the fused answer over the better single path, and its interval redraws clips, not people:
    it says nothing of other people where all scenes are of one. The sweep is for reading only: choosing the
    weight on these scenes would make them training data. `draw` is handed each path's probabilities and the labels.
    """
    seen = [watch(settings, scene, voice, face) for scene in tqdm(scenes, desc="scenes", unit="clip", leave=False)]
    labels = np.array([LABELS.index(scene.label) for scene in scenes], dtype=np.int64)
    whole = [i for i, shown in enumerate(seen) if shown.voice is not None and shown.face is not None]
    figures: dict[str, Any] = {
        "scenes": len(scenes),
        "speakers": sorted({scene.speaker for scene in scenes}),
        "both_paths_answered": len(whole),
        "face_found": sum(shown.found for shown in seen) / max(1, sum(shown.looked for shown in seen)),
        "weight": settings.fusion_weight,
    }
    if not whole:
        return figures
    labels = labels[whole]
    voices, faces, fused = (np.stack([getattr(seen[i], part) for i in whole]) for part in ("voice", "face", "fused"))
    answers = {"voice": voices, "face": faces, "fused": fused}
    figures |= {name: report(probs, labels).as_dict() for name, probs in answers.items()}
    for name, probs in answers.items():
        draw(name, probs, labels)
    better = max(("voice", "face"), key=lambda name: figures[name]["uar"])
    figures["gain"] = {
        "over": better,
        "uar": figures["fused"]["uar"] - figures[better]["uar"],
        "interval": paired_interval(fused, answers[better], labels),
    }
    figures["sweep"] = {f"{weight:.1f}": _swept(voices, faces, labels, weight) for weight in WEIGHTS}
    figures["each"] = [
        {"scene": scenes[i].name, "label": scenes[i].label}
        | {name: LABELS[int(probs[row].argmax())] for name, probs in answers.items()}
        for row, i in enumerate(whole)
    ]
    return figures


def synthetic(
    settings: Settings, voices: Answers, faces: tuple[Float32, NDArray[np.int64]], seed: int = 0
) -> dict[str, Any]:
    """Return the fused figures of voices and faces of the same label, paired at random: a check of the arithmetic."""
    fused, labels = synthetic_pairs(
        (voices.probs, voices.labels), faces, settings.fusion_weight, np.random.default_rng(seed)
    )
    return {"weight": settings.fusion_weight, "fused": report(fused, labels).as_dict()}


def _events_of(pictures: list[Path], sound_file: Path) -> Callable[[], Iterable[Event]]:
    def events() -> Iterator[Event]:
        sound = read_sound(sound_file)
        shown = picture_events([path.read_bytes() for path in pictures], len(sound) / SAMPLE_RATE)
        yield from sorted([*sound_events(sound), *shown], key=lambda event: event[0])

    return events


def _last(parts: Iterable[dict[str, float]]) -> Float32 | None:
    shown = [probs for probs in parts if probs]
    return np.array([shown[-1][label] for label in LABELS], dtype=np.float32) if shown else None


def _swept(voices: Float32, faces: Float32, labels: NDArray[np.int64], weight: float) -> float:
    fused = [late_fusion(voice, face, weight) for voice, face in zip(voices, faces, strict=True)]
    return uar(np.array(fused, dtype=np.float32), labels)
