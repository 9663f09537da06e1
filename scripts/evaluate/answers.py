"""A model's answers on people it has not heard, and the figures that follow from them."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.artefact import ArtefactError
from models.datasets.clips import UNKNOWN, Clip
from models.inference import Float32, Int16, VoiceModel
from models.intervals import (
    calibration_error_by_chance,
    calibration_error_interval,
    gap_interval,
    speaker_interval,
)
from models.labels import LABELS
from models.metrics import report, selective
from scripts.evaluate.voices import Remembering

Way = TypeVar("Way", bound=Hashable)
Sounds = list[tuple[Clip, Int16]]
View = Callable[[VoiceModel, Clip, Int16], Float32]
"""How a clip is put to a model: probabilities [K, 7], a row for each answer; none where it gives none."""
LEAST = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""How sure an answer may have to be before it is believed."""


class LeakageError(ValueError):
    """A model would be measured on people whom it was trained on or chosen by."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Probabilities [N, 7] with the label [N], the speaker [N], the gender [N] and the clip's name [N] of each."""

    probs: Float32
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    genders: NDArray[np.str_]
    clips: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, keep: NDArray[np.bool_]) -> "Answers":
        """Return those that a mask names."""
        return Answers(self.probs[keep], self.labels[keep], self.speakers[keep], self.genders[keep], self.clips[keep])

    def figures(self) -> dict[str, Any]:
        """Return what `sum_up` does, with what the speakers add to it.

        `speaker_interval` is null for one speaker, of whom the ECE's interval redraws the answers, else the speakers.
        `gender_gap` is the distance between the genders' UARs, null where there is only one; people whose gender the
        data set does not say are none. Its interval redraws speakers within each gender, and reaches below 0 where the
        other gender may be ahead; it is null where there is but one speaker of a gender.
        """
        people = np.unique(self.speakers)
        by_gender: dict[str, dict[str, Any]] = {}
        for gender in np.unique(self.genders):
            theirs = report(self.probs[self.genders == gender], self.labels[self.genders == gender])
            by_gender[str(gender)] = {"n": theirs.n, "uar": theirs.uar, "top1": theirs.top1, "recall": theirs.recall}
        known = sorted((gender for gender in by_gender if gender != UNKNOWN), key=lambda name: by_gender[name]["uar"])
        apart = len(known) > 1
        return {
            **sum_up(self.probs, self.labels, self.speakers if len(people) > 1 else None),
            "speakers": people.tolist(),
            "speaker_interval": speaker_interval(self.probs, self.labels, self.speakers) if len(people) > 1 else None,
            "by_gender": by_gender,
            "gender_gap": by_gender[known[-1]]["uar"] - by_gender[known[0]]["uar"] if apart else None,
            "gender_gap_interval": self._gap_interval(known[-1], known[0]) if apart else None,
        }

    def _gap_interval(self, ahead: str, behind: str) -> tuple[float, float] | None:
        of = self.select(np.isin(self.genders, (ahead, behind)))
        if min(len(np.unique(of.speakers[of.genders == gender])) for gender in (ahead, behind)) < 2:
            return None
        return gap_interval(of.probs, of.labels, of.speakers, of.genders == ahead)


def sum_up(probs: Float32, labels: NDArray[np.int64], units: NDArray[np.str_] | None = None) -> dict[str, Any]:
    """Return `metrics.Report` as plain values, `confidence`, the mean of the highest probabilities, and more.

    `ece_interval` redraws the examples, or the `units` [N] that they belong to; `ece_by_chance` is what the ECE of a
    perfectly calibrated model would be. `selective` tells, by how sure answers have to be, the share of those that are,
    and how right they and the others are.
    """
    names = ("share", "top1", "top1_of_others")
    by_least = {f"{least:g}": dict(zip(names, selective(probs, labels, least), strict=True)) for least in LEAST}
    return {
        **report(probs, labels).as_dict(),
        "ece_interval": calibration_error_interval(probs, labels, units),
        "ece_by_chance": calibration_error_by_chance(probs),
        "confidence": float(probs.max(axis=1).mean()),
        "selective": by_least,
    }


def join(parts: Iterable[Answers]) -> Answers:
    """Pool answers."""
    kept = list(parts)
    return Answers(
        np.concatenate([part.probs for part in kept]),
        np.concatenate([part.labels for part in kept]),
        np.concatenate([part.speakers for part in kept]),
        np.concatenate([part.genders for part in kept]),
        np.concatenate([part.clips for part in kept]),
    )


def unheard_clips(models: Sequence[VoiceModel], clips: Sequence[Clip]) -> list[list[Clip]]:
    """Return for each model the clips that it is to be measured on.

    One model: everybody it has not heard. Several, a cross-validation: each speaker counts once, under the one
    model that has not heard them; whom several have not heard is left out.

    Raises:
        LeakageError: A model does not say whom it has heard, or nobody is left.
    """
    for model in models:
        if not model.heard:
            raise LeakageError(f"{model.name} does not say whom it has heard: it cannot be measured honestly")
    parts = [
        [clip for clip in clips if sum(clip.speaker not in other.heard for other in models) == 1
         and clip.speaker not in model.heard]
        for model in models
    ]  # fmt: skip
    if not any(parts):
        raise LeakageError(f"nobody is left whom {', '.join(model.name for model in models)} has not heard")
    return parts


def refuse_namesakes(models: Sequence[VoiceModel]) -> None:
    """Refuse models of one name: the figures of one would pass for those of the other.

    Raises:
        ArtefactError: There are two.
    """
    twice = [name for name, count in Counter(model.name for model in models).items() if count > 1]
    if twice:
        raise ArtefactError(f"more than one of the models calls itself {', '.join(twice)}")


def refuse_heard(models: Sequence[VoiceModel], clips: Sequence[Clip]) -> None:
    """Refuse speakers who were asked for by name and whom every model has heard.

    Raises:
        LeakageError: There is such a speaker.
    """
    heard = sorted(speaker for speaker in {clip.speaker for clip in clips} if all(speaker in m.heard for m in models))
    if heard:
        raise LeakageError(f"trained on or chosen by: {', '.join(heard)}")


def ask(model: VoiceModel, sounds: Sounds, views: Mapping[Way, View], title: str = "") -> dict[Way, Answers]:
    """Put every clip to a model in each of these ways; no window of a clip is answered twice.

    Raises:
        LeakageError: A clip is of somebody whom the model has heard.
    """
    heard = sorted({clip.speaker for clip, _ in sounds} & model.heard)
    if heard:
        raise LeakageError(f"{model.name} was trained on or chosen by {', '.join(heard)}")
    said: dict[Way, list[tuple[Clip, Float32]]] = {way: [] for way in views}
    for clip, sound in tqdm(sounds, desc=f"{model.name} {title}".strip(), unit="clip", leave=False):
        remembering = Remembering(model)
        for way, view in views.items():
            said[way].append((clip, view(remembering, clip, sound)))
    return {way: _answers(parts) for way, parts in said.items()}


def _answers(parts: Iterable[tuple[Clip, Float32]]) -> Answers:
    rows: list[Float32] = [np.zeros((0, len(LABELS)), np.float32)]
    about: list[Clip] = []
    for clip, probs in parts:
        rows.append(probs)
        about += [clip] * len(probs)
    return Answers(
        np.concatenate(rows),
        np.array([LABELS.index(clip.label) for clip in about], dtype=np.int64),
        np.array([clip.speaker for clip in about], dtype=np.str_),
        np.array([clip.gender for clip in about], dtype=np.str_),
        np.array([clip.path.stem for clip in about], dtype=np.str_),
    )
