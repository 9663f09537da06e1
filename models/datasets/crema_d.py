"""CREMA-D (Cao et al. 2014): 91 actors, twelve sentences, six emotions (no surprise), as sound and as film."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from models.datasets.clips import UNKNOWN, Clip, Pair, pair
from models.datasets.layout import SOUNDS, DataLayoutError, files_below, find_below, missing, read_table

logger = logging.getLogger(__name__)

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
PEOPLE = "VideoDemographics.csv"
FILMS = (".flv", ".mp4")
"""Published as Flash video; many keep them as MP4."""
# One published name (1040_ITH_SAD_X) has a single X for the level.
_NAME = re.compile(rf"(10(?:0[1-9]|[1-8]\d|9[01]))_[A-Z]{{3}}_({'|'.join(EMOTIONS)})_(?:XX?|LO|MD|HI)", re.IGNORECASE)
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Person:
    """What the data set says of an actor: `female`, `male` or `UNKNOWN`, and years (None: not said)."""

    gender: str
    age: int | None


def clips(root: Path) -> list[Clip]:
    """List CREMA-D's sounds, `AudioWAV/1001_DFA_ANG_XX.wav`, with gender and age where `VideoDemographics.csv` is.

    The published set has no split of its own: split by speaker (`models.datasets.splits`).

    Raises:
        DataLayoutError: No clip of that naming lies below `root`, or only the pointers of Git LFS.
    """
    return _listed(root, SOUNDS, "AudioWAV/1001_DFA_ANG_XX.wav")


def videos(root: Path) -> list[Clip]:
    """List CREMA-D's films, `VideoFlash/1001_DFA_ANG_XX.flv` (they have sound).

    Raises:
        DataLayoutError: No film of that naming lies below `root`, or only the pointers of Git LFS.
    """
    return _listed(root, FILMS, "VideoFlash/1001_DFA_ANG_XX.flv")


def pairs(root: Path) -> list[Pair]:
    """List the scenes of which both sound and film are there, paired by file name.

    Raises:
        DataLayoutError: Sounds or films are missing, or none have a name in common.
    """
    sounds = {clip.path.stem.upper(): clip for clip in clips(root)}
    films = {film.path.stem.upper(): film.path for film in videos(root)}
    found = [pair(sounds[name], films[name]) for name in sorted(sounds.keys() & films.keys())]
    if not found:
        raise missing("CREMA-D sound and film of one name", root, "AudioWAV/NAME.wav and VideoFlash/NAME.flv")
    alone = len(sounds) + len(films) - 2 * len(found)
    if alone:
        logger.warning("left out %d CREMA-D files: sound without film, or film without sound", alone)
    return found


def people(root: Path) -> dict[str, Person]:
    """Read `VideoDemographics.csv` (ActorID, Age, Sex); without it nobody is known.

    Raises:
        DataLayoutError: The table has other columns.
    """
    table = find_below(root, PEOPLE) or find_below(root.parent, PEOPLE)
    if table is None:
        logger.warning("no %s in %s: CREMA-D's genders and ages are not known", PEOPLE, root)
        return {}
    rows = read_table(table, ("ActorID", "Age", "Sex"))
    return {row["ActorID"].strip(): _person(row["Sex"], row["Age"]) for row in rows}


def _person(sex: str, age: str) -> Person:
    gender = sex.strip().lower()
    return Person(gender if gender in ("female", "male") else UNKNOWN, int(age) if age.strip().isdecimal() else None)


def _listed(root: Path, endings: tuple[str, ...], expected: str) -> list[Clip]:
    found: dict[str, Clip] = {}
    known: dict[str, Person] | None = None
    for path in files_below(root, endings):
        match = _NAME.fullmatch(path.stem)
        if not match or path.stem.upper() in found:
            continue
        if known is None:
            _refuse_pointer(path)
            known = people(root)
        actor, emotion = match.group(1), match.group(2).upper()
        person = known.get(actor, Person(UNKNOWN, None))
        found[path.stem.upper()] = Clip(path, EMOTIONS[emotion], f"crema_d-{actor}", person.gender, person.age)
    if not found:
        raise missing("CREMA-D", root, expected)
    return list(found.values())


def _refuse_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise DataLayoutError(f"{path} is a pointer of Git LFS, not the file: run `git lfs pull` in the repository")
