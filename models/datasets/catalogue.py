"""The data sets by name, for whoever trains or measures on one (`--data NAME DIR`): loaders, splits, terms."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from models.datasets import affectnet, crema_d, fer2013, meld, own, ravdess, savee, tess
from models.datasets.clips import Clip, Pair, SpokenItem
from models.datasets.faces import FaceSet
from models.datasets.splits import SHARES, Split, split_by_speaker
from models.labels import LABELS

Loader = TypeVar("Loader")
Kind = Literal["speech", "face", "audio-visual"]
Part = Literal["train", "validation", "test"]


class UnknownDataSetError(ValueError):
    """No data set has that name, or it has no examples of that kind, or no such part."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set, published or one's own.

    Attributes:
        name: As in `--data NAME DIR`.
        title: Its name, authors and year.
        licence: Its terms in a few words; whoever uses it reads the real ones.
        home: Where it is had, in words.
        layout: Files as its loaders expect them.
        labels: Which of `LABELS` it has.
        clips: Lists its sounds.
        pairs: Lists its scenes with sound and film.
        faces: Lists a split of its faces: root, split, pictures a label (0: all), seed.
        face_splits: The official names of training, validation and test; a part that is not published is absent.
        official_clips: Lists the sounds of `train`, `dev` or `test` where such a split is published.
        official_pairs: The same, of its scenes.
    """

    name: str
    title: str
    licence: str
    home: str
    layout: str
    labels: tuple[str, ...]
    clips: Callable[[Path], list[Clip]] | None = None
    pairs: Callable[[Path], list[Pair]] | None = None
    faces: Callable[[Path, str, int, int], FaceSet] | None = None
    face_splits: tuple[tuple[Part, str], ...] = ()
    official_clips: Callable[[Path, str], list[Clip]] | None = None
    official_pairs: Callable[[Path, str], list[Pair]] | None = None

    @property
    def kinds(self) -> frozenset[Kind]:
        """Return what it has examples of."""
        loaders: dict[Kind, object] = {"speech": self.clips, "face": self.faces, "audio-visual": self.pairs}
        return frozenset(kind for kind, loader in loaders.items() if loader is not None)


def names(kind: Kind | None = None) -> list[str]:
    """Return the names of all data sets, or of those with examples of a kind."""
    return [name for name, data_set in DATA_SETS.items() if kind is None or kind in data_set.kinds]


def find(name: str) -> DataSet:
    """Return a data set by name; `CREMA-D`, `crema_d` and `cremad` are one.

    Raises:
        UnknownDataSetError: No data set has that name.
    """
    for data_set in DATA_SETS.values():
        if _plain(data_set.name) == _plain(name):
            return data_set
    raise UnknownDataSetError(f"no data set {name!r}: there are {', '.join(names())}")


def split_speech(name: str, root: Path, *, seed: int = 0, official: bool = False) -> Split[Clip]:
    """Split a data set's sounds into training, validation and test.

    Args:
        name: Of the data set.
        root: Its folder.
        seed: Of the draw of speakers.
        official: Take the published split, even if it shares speakers; else nobody is in two parts.

    Raises:
        UnknownDataSetError: No speech data set has that name, or it has no official split.
        DataLayoutError: It is not in `root`.
        TooFewSpeakersError: It has fewer than three speakers (TESS): use it whole, in one part.
    """
    data_set = find(name)
    listed = _has(data_set, data_set.clips, "speech")
    return _official(data_set, data_set.official_clips, root) if official else _by_speaker(listed(root), seed)


def split_scenes(name: str, root: Path, *, seed: int = 0, official: bool = False) -> Split[Pair]:
    """Split a data set's scenes with sound and film, as `split_speech` does its sounds.

    Raises:
        UnknownDataSetError: No audio-visual data set has that name, or it has no official split.
        DataLayoutError: It is not in `root`.
        TooFewSpeakersError: There are fewer than three speakers.
    """
    data_set = find(name)
    listed = _has(data_set, data_set.pairs, "audio-visual")
    return _official(data_set, data_set.official_pairs, root) if official else _by_speaker(listed(root), seed)


def load_faces(name: str, root: Path, part: Part, *, per_class: int = 0, seed: int = 0) -> FaceSet:
    """Load a part of a data set's faces.

    Args:
        name: Of the data set.
        root: Its folder.
        part: `train`, `validation` or `test`, by the official split.
        per_class: Draw at most this many of each label; 0 takes all.
        seed: Of the draw.

    Raises:
        UnknownDataSetError: No face data set has that name, or that part of it is not published.
        DataLayoutError: It is not in `root`.
    """
    data_set = find(name)
    load = _has(data_set, data_set.faces, "face")
    splits = dict(data_set.face_splits)
    if part not in splits:
        raise UnknownDataSetError(f"{data_set.name} has no part {part}: it has {', '.join(splits)}")
    return load(root, splits[part], per_class, seed)


def _has(data_set: DataSet, loader: Loader | None, kind: Kind) -> Loader:
    if loader is None:
        raise UnknownDataSetError(f"{data_set.name} is no {kind} data set: those are {', '.join(names(kind))}")
    return loader


def _by_speaker(items: Sequence[SpokenItem], seed: int) -> Split[SpokenItem]:
    split = split_by_speaker(items, SHARES, seed)
    split.check_speakers()
    return split


def _official(
    data_set: DataSet, listed: Callable[[Path, str], list[SpokenItem]] | None, root: Path
) -> Split[SpokenItem]:
    if listed is None:
        raise UnknownDataSetError(f"{data_set.name} has no official split: it is split by speaker")
    return Split(listed(root, "train"), listed(root, "dev"), listed(root, "test"))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _labels(emotions: Collection[str]) -> tuple[str, ...]:
    return tuple(label for label in LABELS if label in emotions)


DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "ravdess", "RAVDESS (Livingstone & Russo 2018)", "CC BY-NC-SA 4.0",
            "zenodo.org, record 1188976: Audio_Speech_Actors_01-24.zip, Video_Speech_Actor_NN.zip",
            "Actor_01/03-01-01-01-01-01-01.wav, Video_Speech_Actor_01/Actor_01/01-01-01-01-01-01-01.mp4",
            _labels(ravdess.EMOTIONS.values()), clips=ravdess.clips, pairs=ravdess.pairs,
        ),
        DataSet(
            "crema_d", "CREMA-D (Cao et al. 2014)", "Open Database License 1.0, contents Database Contents License 1.0",
            "github.com, CheyneyComputerScience/CREMA-D, with Git LFS",
            "AudioWAV/1001_DFA_ANG_XX.wav, VideoFlash/1001_DFA_ANG_XX.flv, VideoDemographics.csv",
            _labels(crema_d.EMOTIONS.values()), clips=crema_d.clips, pairs=crema_d.pairs,
        ),
        DataSet(
            "meld", "MELD (Poria et al. 2019)", "GPL 3.0; the films are scenes of a television series",
            "affective-meld.github.io: MELD.Raw.tar.gz, and the archives in it",
            "train_sent_emo.csv, train_splits/dia0_utt0.mp4, dev_splits_complete, output_repeated_splits_test",
            _labels(meld.EMOTIONS.values()), clips=meld.clips, pairs=meld.pairs,
            official_clips=meld.clips, official_pairs=meld.pairs,
        ),
        DataSet(
            "savee", "SAVEE (Haq & Jackson 2010)", "for research, on registration",
            "University of Surrey, the authors' page on SAVEE", "AudioData/DC/a01.wav, or DC_a01.wav",
            _labels(savee.EMOTIONS.values()), clips=savee.clips,
        ),
        DataSet(
            "tess", "TESS (Pichora-Fuller & Dupuis 2020)", "CC BY-NC-ND 4.0 (copies say CC BY-NC 4.0)",
            "borealisdata.ca, Toronto emotional speech set, doi 10.5683/SP2/E8H2MF",
            "TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav",
            _labels(tess.EMOTIONS.values()), clips=tess.clips,
        ),
        DataSet(
            "fer2013", "FER-2013 (Goodfellow et al. 2013)",
            "none published: the terms of the contest; the pictures are from the web",
            "kaggle.com, Challenges in Representation Learning: Facial Expression Recognition Challenge",
            "fer2013.csv, or train/angry/*.jpg and test/angry/*.jpg",
            LABELS, faces=fer2013.load, face_splits=(("train", "train"), ("validation", "test"), ("test", "final")),
        ),
        DataSet(
            "affectnet", "AffectNet (Mollahosseini et al. 2017)", "for research only, on a professor's signed request",
            "mohammadmahoor.com, AffectNet", affectnet.LAYOUTS,
            LABELS, faces=affectnet.load, face_splits=(("train", "train"), ("validation", "val")),
        ),
        DataSet(
            "own", "recordings or pictures of one's own", "under the terms agreed with those heard and seen in them",
            "whoever trains", own.LAYOUT,
            LABELS, clips=own.clips, pairs=own.pairs, faces=own.faces,
            face_splits=(("train", "train"), ("validation", "val")),
        ),
    )
}  # fmt: skip
"""Every data set that there is a loader for. Nothing here downloads anything: each is had from its home."""
