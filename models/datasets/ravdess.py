"""RAVDESS (Livingstone & Russo 2018): 24 actors, speech, as sound, as film, and as both."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from models.datasets.clips import Clip, Pair, pair
from models.datasets.layout import SOUNDS, files_below, missing

logger = logging.getLogger(__name__)

EMOTIONS = {
    "01": "neutral",
    "02": "neutral",  # calm, merged into neutral: seven labels on the wire
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_SPOKEN = r"01-(0[1-8])-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])"
_SOUND_NAME = re.compile(rf"03-{_SPOKEN}\.(?:wav|flac)", re.IGNORECASE)
_FILM_NAME = re.compile(rf"0[12]-{_SPOKEN}\.mp4", re.IGNORECASE)
_WITH_SOUND = "01"
_SCENE = slice(3, None)
"""The part of a name (without ending) that sound and film of one scene share."""


def clips(root: Path, actors: Iterable[int] | None = None) -> list[Clip]:
    """List RAVDESS speech clips, `Actor_NN/03-01-EE-II-SS-RR-AA.wav|flac`.

    The actor is read from the file name: copies are in circulation in which a clip lies in the folder of
    another actor. A clip that is present twice is listed once.

    Args:
        root: The folder that holds the `Actor_NN` folders.
        actors: Keep only these; all when None.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    found = _listed(files_below(root, SOUNDS), _SOUND_NAME)
    if not found:
        raise missing("RAVDESS speech", root, "Actor_01/03-01-01-01-01-01-01.wav")
    return _of_actors(found, actors)


def videos(root: Path, actors: Iterable[int] | None = None) -> list[Clip]:
    """List RAVDESS speech films, `Video_Speech_Actor_NN/Actor_NN/0M-01-EE-II-SS-RR-AA.mp4`, each scene once.

    Modality 01 is the film with its sound, 02 the same film without; where both are there, 01 is listed.

    Raises:
        DataLayoutError: No film of that naming lies below `root`.
    """
    films = sorted(files_below(root, (".mp4",)), key=lambda path: path.name)
    found = _listed(films, _FILM_NAME)
    if not found:
        raise missing("RAVDESS video", root, "Video_Speech_Actor_01/Actor_01/01-01-01-01-01-01-01.mp4")
    return _of_actors(found, actors)


def pairs(root: Path, sounds: Path | None = None, actors: Iterable[int] | None = None) -> list[Pair]:
    """List RAVDESS scenes with film (01 or 02) and sound (03), paired by the rest of the name.

    A film of modality 01 whose sound file is not there is paired with its own sound; one of modality 02 is left out.

    Args:
        root: The folder that holds the films.
        sounds: The folder that holds the sound files; `root` when None.
        actors: Keep only these; all when None.

    Raises:
        DataLayoutError: There is no film, or none has a sound.
    """
    films = videos(root, actors)
    heard = _listed(files_below(sounds or root, SOUNDS), _SOUND_NAME)
    found = []
    for film in films:
        sound = heard.get(film.path.stem[_SCENE])
        if sound is not None:
            found.append(pair(sound, film.path))
        elif film.path.stem.startswith(_WITH_SOUND):
            found.append(pair(film, film.path))
    if films and not found:
        raise missing("sound of RAVDESS' silent films", sounds or root, "Actor_01/03-01-01-01-01-01-01.wav")
    if len(found) < len(films):
        logger.warning("left out %d RAVDESS films without a sound", len(films) - len(found))
    return found


def _listed(paths: Iterable[Path], naming: re.Pattern[str]) -> dict[str, Clip]:
    found: dict[str, Clip] = {}
    for path in paths:
        match = naming.fullmatch(path.name)
        if match and path.stem[_SCENE] not in found:
            emotion, actor = match.groups()
            gender = "male" if int(actor) % 2 else "female"
            found[path.stem[_SCENE]] = Clip(path, EMOTIONS[emotion], f"ravdess-{actor}", gender)
    return found


def _of_actors(found: dict[str, Clip], actors: Iterable[int] | None) -> list[Clip]:
    wanted = None if actors is None else {f"ravdess-{actor:02d}" for actor in actors}
    return [clip for clip in found.values() if wanted is None or clip.speaker in wanted]
