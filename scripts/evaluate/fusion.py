"""Fusion: on real audio-visual clips of somebody whom no model knows, and late fusion on synthetic pairs."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.quick_check import synthetic_pairs
from app.settings import Settings
from app.viewer.fusion import late_fusion
from models.datasets import ravdess
from models.datasets.layout import DataLayoutError
from models.datasets.media import read_sound
from models.inference import SAMPLE_RATE, FacePath, Float32, FusionModel, VoiceModel
from models.intervals import paired_interval
from models.labels import LABELS
from models.metrics import uar
from scripts.evaluate.answers import Answers, LeakageError, sum_up
from scripts.evaluate.live import Event, learn, one_after_another, picture_events, sound_events, stream
from scripts.evaluate.voices import KnownFace, KnownVoice
from scripts.stream_file import media

logger = logging.getLogger(__name__)

PATHS = ("voice", "face", "fused")
WEIGHTS = tuple(step / 10 for step in range(11))


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

    @property
    def is_whole(self) -> bool:
        """Whether both paths answered."""
        return self.voice is not None and self.face is not None


Seen = list[tuple[Scene, Shown]]
Known = tuple[Collection[str], Collection[str]]
Draw = Callable[[str, Float32, NDArray[np.int64]], None]


def face_crop_scenes(root: Path, sounds: Path) -> list[Scene]:
    """List `root/faces/CLIP/NN.jpg`, pictures spread evenly over a clip, with the sound CLIP below `sounds`.

    Raises:
        DataLayoutError: No clip has both.
    """
    scenes = []
    for clip in ravdess.clips(sounds):
        folder = root / "faces" / clip.path.stem
        pictures = sorted(folder.glob("*.jpg"))
        if pictures:
            scenes.append(Scene(folder.name, clip.label, clip.speaker, _events_of(pictures, clip.path)))
    if not scenes:
        raise DataLayoutError(f"no faces/03-01-.../NN.jpg below {root} whose sound is below {sounds}")
    return scenes


def video_scenes(root: Path) -> list[Scene]:
    """List RAVDESS' published films with sound below `root/clips`; empty where PyAV is not installed."""
    if find_spec("av") is None:
        logger.warning("no videos: PyAV is not installed")
        return []

    def events(path: Path) -> Callable[[], Iterable[Event]]:
        # Pictures come more often than results are due; each result takes the newest.
        return lambda: sorted(media(path, 0.1), key=lambda event: event[0])

    try:
        films = ravdess.pairs(root / "clips")
    except DataLayoutError as error:
        logger.warning("no videos: %s", error)
        return []
    with_sound = [film for film in films if film.sound == film.video]
    return [Scene(film.video.stem, film.label, film.speaker, events(film.video)) for film in with_sound]


def watch(
    settings: Settings, scene: Scene, voice: VoiceModel, face: FacePath, together: FusionModel | None = None
) -> Shown:
    """Stream a scene through a session, fused late or by a model that hears and sees at once.

    Raises:
        LeakageError: A model has heard its speaker.
    """
    for model in (voice, together):
        if model is not None and (scene.speaker in model.heard or not model.heard):
            raise LeakageError(f"{model.name} was trained on or chosen by {scene.speaker}, or does not say on whom")
    results = list(stream(settings, scene.events(), voice, face, together))
    looked = [result.face.state for result in results if result.face.state in ("ok", "no_face")]
    return Shown(
        voice=_last(result.voice.probs for result in results),
        face=_last(result.face.probs for result in results),
        fused=_last(result.fused.probs for result in results),
        looked=len(looked),
        found=looked.count("ok"),
    )


def watch_all(
    settings: Settings,
    scenes: Iterable[Scene],
    voice: VoiceModel,
    face: FacePath,
    title: str = "scenes",
    together: FusionModel | None = None,
) -> Seen:
    """Stream scenes through sessions of their own, one by one."""
    return [
        (scene, watch(settings, scene, voice, face, together))
        for scene in tqdm(scenes, desc=title, unit="clip", leave=False)
    ]


def real(settings: Settings, seen: Seen, draw: Draw, known: Known = (LABELS, LABELS)) -> dict[str, Any]:
    """Return the figures of voice, face and fused on the same scenes, the paired gain, and the sweep of the weight.

    The gain is of the fused answer over the better single path, and its interval redraws clips, not people:
    it says nothing of other people where all scenes are of one. The sweep is for reading only: choosing the
    weight on these scenes would make them training data. `draw` is handed each path's probabilities and the labels.
    `known` are the labels that voice and face can say, by which they are fused.
    """
    whole = [(scene, shown) for scene, shown in seen if shown.is_whole]
    figures: dict[str, Any] = {
        "scenes": len(seen),
        "speakers": sorted({scene.speaker for scene, _ in seen}),
        "both_paths_answered": len(whole),
        "face_found": sum(shown.found for _, shown in seen) / max(1, sum(shown.looked for _, shown in seen)),
        "weight": settings.fusion_weight,
    }
    if not whole:
        return figures
    labels = _labels(whole)
    answers = {path: _stacked(whole, path) for path in PATHS}
    figures |= {path: sum_up(probs, labels) for path, probs in answers.items()}
    for path, probs in answers.items():
        draw(path, probs, labels)
    better = max(("voice", "face"), key=lambda path: figures[path]["uar"])
    figures["gain"] = {
        "over": better,
        "uar": figures["fused"]["uar"] - figures[better]["uar"],
        "interval": paired_interval(answers["fused"], answers[better], labels),
    }
    figures["sweep"] = {
        f"{weight:.1f}": _swept(answers["voice"], answers["face"], labels, weight, known) for weight in WEIGHTS
    }
    figures["each"] = [
        {"scene": scene.name, "label": scene.label}
        | {path: LABELS[int(probs[row].argmax())] for path, probs in answers.items()}
        for row, (scene, _) in enumerate(whole)
    ]
    return figures


def beside(late: Seen, together: Seen, draw: Draw) -> dict[str, Any]:
    """Return the figures of the same scenes fused late, and fused by a model that hears and sees at once.

    Both are what was shown last; the gain is of the model over late fusion, in pairs, and its interval redraws clips.
    """
    whole = [
        (scene, plain, joint)
        for (scene, plain), (_, joint) in zip(late, together, strict=True)
        if plain.is_whole and joint.is_whole
    ]
    figures: dict[str, Any] = {"scenes": len(late), "both_paths_answered": len(whole)}
    if not whole:
        return figures
    kept = [(scene, joint) for scene, _, joint in whole]
    labels, other = _labels(kept), _stacked(kept, "fused")
    one = _stacked([(scene, plain) for scene, plain, _ in whole], "fused")
    draw("fused by the model", other, labels)
    return figures | {
        "late": sum_up(one, labels),
        "together": sum_up(other, labels),
        "gain": {"uar": uar(other, labels) - uar(one, labels), "interval": paired_interval(other, one, labels)},
    }


def calibrated(
    settings: Settings, plain: Seen, neutral: dict[str, list[Scene]], voice: VoiceModel, face: FacePath, draw: Draw
) -> dict[str, Any]:
    """Return plain and calibrated figures of each path on the same scenes, with the gain.

    A session learns each speaker, voice and face at once, from the neutral scenes, which are left out of both
    figures, with the speakers of whom there is none. `voice` and `face` say of how many it learnt that path.
    The intervals of the gains redraw clips.
    """
    taken = {scene.name for scenes in neutral.values() for scene in scenes}
    rest = [(scene, shown) for scene, shown in plain if scene.speaker in neutral and scene.name not in taken]
    learnt = {
        speaker: learn(settings, one_after_another(scene.events() for scene in scenes), voice, face)
        for speaker, scenes in neutral.items()
    }
    known: Seen = []
    for speaker, theirs in learnt.items():
        scenes = [scene for scene, _ in rest if scene.speaker == speaker]
        known += watch_all(settings, scenes, KnownVoice(voice, theirs), KnownFace(face, theirs), "calibrated scenes")
    after = {scene.name: shown for scene, shown in known}
    whole = [(scene, shown) for scene, shown in rest if shown.is_whole and after[scene.name].is_whole]
    figures: dict[str, Any] = {
        "learnt_from": sorted(taken),
        "scenes": len(rest),
        "both_paths_answered": len(whole),
        "speakers": len(neutral),
        "learnt": {
            "voice": sum(one.reference is not None or one.voice is not None for one in learnt.values()),
            "face": sum(one.face is not None for one in learnt.values()),
        },
        "paths": {},
    }
    if not whole:
        return figures
    labels, same = _labels(whole), [(scene, after[scene.name]) for scene, _ in whole]
    for path in PATHS:
        old, new = _stacked(whole, path), _stacked(same, path)
        draw(f"{path}, calibrated", new, labels)
        figures["paths"][path] = {
            "plain": sum_up(old, labels),
            "calibrated": sum_up(new, labels),
            "gain": {"uar": uar(new, labels) - uar(old, labels), "interval": paired_interval(new, old, labels)},
        }
    return figures


def synthetic(
    settings: Settings,
    voices: Answers,
    faces: tuple[Float32, NDArray[np.int64]],
    known: tuple[tuple[str, ...], tuple[str, ...]],
    seed: int = 0,
) -> dict[str, Any]:
    """Return the fused figures of voices and faces of the same label, paired at random: a check of the arithmetic."""
    fused, labels = synthetic_pairs(
        (voices.probs, voices.labels), faces, settings.fusion_weight, np.random.default_rng(seed), known
    )
    return {"weight": settings.fusion_weight, "fused": sum_up(fused, labels)}


def _events_of(pictures: list[Path], sound_file: Path) -> Callable[[], Iterable[Event]]:
    def events() -> Iterator[Event]:
        sound = read_sound(sound_file)
        shown = picture_events([path.read_bytes() for path in pictures], len(sound) / SAMPLE_RATE)
        yield from sorted([*sound_events(sound), *shown], key=lambda event: event[0])

    return events


def _last(parts: Iterable[dict[str, float]]) -> Float32 | None:
    shown = [probs for probs in parts if probs]
    return np.array([shown[-1][label] for label in LABELS], dtype=np.float32) if shown else None


def _labels(seen: Seen) -> NDArray[np.int64]:
    return np.array([LABELS.index(scene.label) for scene, _ in seen], dtype=np.int64)


def _stacked(seen: Seen, path: str) -> Float32:
    return np.stack([getattr(shown, path) for _, shown in seen])


def _swept(voices: Float32, faces: Float32, labels: NDArray[np.int64], weight: float, known: Known) -> float:
    fused = [late_fusion(voice, face, weight, *known) for voice, face in zip(voices, faces, strict=True)]
    return uar(np.array(fused, dtype=np.float32), labels)
