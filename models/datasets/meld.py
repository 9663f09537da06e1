"""MELD (Poria et al. 2019, arXiv 1810.02508): utterances of a television series as films, with official splits.

The official splits share the six main speakers, who say five utterances of six: figures on them are of known
voices and faces. `models.datasets.splits.split_by_speaker`, on all three splits at once, is the alternative; films show
and may let hear other people than their speaker, so that it is nearly, not wholly, a split by person.
"""

import logging
import re
from pathlib import Path

from models.datasets.clips import SEVERAL, UNKNOWN, Clip, Pair, pair
from models.datasets.layout import DataLayoutError, find_below, missing, read_table

logger = logging.getLogger(__name__)

EMOTIONS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""The official splits, and the folder in which each has its films."""
GENDERS = {
    "chandler": "male", "joey": "male", "ross": "male", "monica": "female", "phoebe": "female", "rachel": "female",
}  # fmt: skip
"""Of the main speakers; the data set says nobody's."""
_COLUMNS = ("Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_SAME_ACTOR = {"ursula": "phoebe", "dr-drake-remoray": "joey"}
_CROWD = re.compile(r"all|both|the-guys|her-friends|.+-and-.+")


def clips(root: Path, split: str | None = None) -> list[Clip]:
    """List the utterances of an official split whose film is there; `read_sound` reads the sound of a film.

    Args:
        root: The folder `MELD.Raw` with `train_sent_emo.csv` and `train_splits/dia0_utt0.mp4`; tables and folders may
            lie up to two folders deeper (`train/train_splits`, `data/MELD/train_sent_emo.csv`).
        split: `train`, `dev` or `test`; all three when None.

    Utterances whose film is missing are counted in the log; some published films cannot be decoded (dia125_utt3 of
    train), which whoever reads them finds out. Speakers are named as in the table; what several people say at once has
    the speaker `SEVERAL`.

    Raises:
        DataLayoutError: Table or folder is missing, or the table has other columns, or no film is there.
        ValueError: There is no such split.
    """
    if split is None:
        return [clip for name in FOLDERS for clip in clips(root, name)]
    if split not in FOLDERS:
        raise ValueError(f"MELD has no split {split}: it has {', '.join(FOLDERS)}")
    name = f"{split}_sent_emo.csv"
    table, folder = find_below(root, name), find_below(root, FOLDERS[split])
    if table is None or folder is None:
        raise missing(f"MELD {split}", root, f"{name} and {FOLDERS[split]}/dia0_utt0.mp4")
    rows = read_table(table, _COLUMNS)
    named = [(folder / f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.mp4", row) for row in rows]
    found = [_clip(path, row, table) for path, row in named if path.is_file()]
    if not found:
        raise missing(f"MELD film that {name} names", folder, "dia0_utt0.mp4")
    if len(found) < len(named):
        absent = [path.stem for path, _ in named if not path.is_file()]
        logger.warning("MELD %s: left out %d utterances without a film (%s ...)", split, len(absent), absent[0])
    return found


def pairs(root: Path, split: str | None = None) -> list[Pair]:
    """List what `clips` lists as scenes: sound and pictures are of the same film."""
    return [pair(clip, clip.path) for clip in clips(root, split)]


def _clip(path: Path, row: dict[str, str], table: Path) -> Clip:
    emotion = row["Emotion"].strip().lower()
    if emotion not in EMOTIONS:
        raise DataLayoutError(f"{table}: {path.stem} has the emotion {emotion!r}, expected {', '.join(EMOTIONS)}")
    # `Joey/Drake` is Joey in a role.
    person = re.sub(r"[^a-z0-9]+", "-", row["Speaker"].split("/")[0].lower()).strip("-")
    person = _SAME_ACTOR.get(person, person)
    speaker = SEVERAL if _CROWD.fullmatch(person) else f"meld-{person}"
    return Clip(path, EMOTIONS[emotion], speaker, GENDERS.get(person, UNKNOWN))
