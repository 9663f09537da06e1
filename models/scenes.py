"""Scenes to train feature fusion on: a voice with the faces of who speaks, or, synthetic ones, with those of others."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from models.crop import Framing
from models.datasets.clips import Clip, Pair
from models.datasets.faces import FaceSet, Index
from models.datasets.media import UnreadableMediaError, read_frames, read_sound
from models.face_path import Detector, cut_out
from models.inference import Float32, Int16, UInt8
from models.labels import LABELS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What was acted, by whom, and what is heard and seen of it.

    Attributes:
        label: One of `LABELS`.
        speaker: As of a `Clip`.
        gender: Likewise.
        sound: Int16 mono at 16 kHz [N].
        faces: Crops [K, size, size, channels], one or more.
        moments: When each face was seen, as a share of the sound [K]; None where any will do.
    """

    label: str
    speaker: str
    gender: str
    sound: Int16
    faces: UInt8
    moments: Float32 | None = None

    def seen(self, start: float, end: float) -> Index:
        """Return which faces were seen between two shares of the sound, or else the one nearest to their middle."""
        if self.moments is None:
            return np.arange(len(self.faces))
        inside = np.flatnonzero((start <= self.moments) & (self.moments <= end))
        return inside if len(inside) else np.abs(self.moments - (start + end) / 2).argmin(keepdims=True)


def film_scenes(pairs: Iterable[Pair], detector: Detector, framing: Framing, frames: int) -> list[Scene]:
    """Read films: their sound, and the faces in `frames` pictures spread evenly, cut out as when serving.

    Those that cannot be read or show no face are named in the log and left out. Faces are kept in memory alone.
    """
    scenes = []
    for pair in tqdm(list(pairs), desc="scenes", unit="film", leave=False):
        try:
            sound, pictures = read_sound(pair.sound), read_frames(pair.video, frames)
        except UnreadableMediaError as error:
            logger.warning("left out %s", error)
            continue
        found = [(number, face) for number, image in enumerate(pictures) if (face := detector.detect(image))]
        if not found:
            logger.warning("left out %s: no face in %d pictures of it", pair.video, len(pictures))
            continue
        faces = np.stack([cut_out(pictures[number], face, framing) for number, face in found])
        moments = np.array([(number + 0.5) / len(pictures) for number, _ in found], np.float32)
        scenes.append(Scene(pair.label, pair.speaker, pair.gender, sound, faces, moments))
    return scenes


def synthetic_scenes(sounds: Iterable[tuple[Clip, Int16]], faces: FaceSet, framing: Framing) -> list[Scene]:
    """Give each voice all faces of its label, with whom it has nothing else in common; none where there is no face."""
    seen: dict[str, UInt8] = {}
    for number, label in enumerate(LABELS):
        index = np.flatnonzero(faces.labels == number)
        seen[label] = faces.batch(index, framing.size, framing.channels)[0]
    return [
        Scene(clip.label, clip.speaker, clip.gender, sound, seen[clip.label])
        for clip, sound in sounds
        if len(seen[clip.label])
    ]


def settle(scenes: Iterable[Scene], times: int, seed: int = 0) -> list[Scene]:
    """Give each scene, so many times over, one of its faces: the same pairs each time, to judge by."""
    rng = np.random.default_rng(seed)
    return [
        replace(scene, faces=scene.faces[[chosen]], moments=None)
        for scene in scenes
        for chosen in rng.integers(len(scene.faces), size=times)
    ]
