"""What it gains to calibrate on a person's own neutral clips: people whom the voice model has not heard."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from app.settings import Settings
from app.viewer.calibration import Learnt
from models.inference import SAMPLE_RATE, FaceModel, Int16, VoiceModel
from models.windows import speech_span
from scripts.evaluate.answers import Answers, Sounds, View, ask, join
from scripts.evaluate.gains import gain
from scripts.evaluate.live import learn, sound_events
from scripts.evaluate.voice import STREAM, WHOLE, Subject, views
from scripts.evaluate.voices import KnownVoice

VIEWS = ("1 s window", "3 s window", STREAM, WHOLE)
"""Of `voice.views`."""
FEWER = (1, 2)
"""So few clips are learnt from as well."""
CALM = "02"
"""RAVDESS' third number for the emotion that this project merges into neutral."""


class Acted(Protocol):
    """What clips and scenes have in common."""

    @property
    def label(self) -> str:
        """Return one of `LABELS`."""
        ...

    @property
    def speaker(self) -> str:
        """Return the data set's name and the person's within it, `ravdess-02`."""
        ...


Item = TypeVar("Item", bound=Acted)


@dataclass(frozen=True, slots=True)
class Meeting:
    """A model with the clips that it is measured on, and by speaker the neutral ones that it may learn them from."""

    subject: Subject
    neutral: Mapping[str, Sounds]

    def rest(self) -> Sounds:
        """Return the clips of the speakers who can be learnt, without those that they are learnt from."""
        taken = {clip for sounds in self.neutral.values() for clip, _ in sounds}
        return [(clip, sound) for clip, sound in self.subject.sounds
                if clip.speaker in self.neutral and clip not in taken]  # fmt: skip

    def learn(self, settings: Settings, count: int) -> dict[str, Learnt]:
        """Return what a session each learns of the speakers from so many clips, streamed one after another."""
        heard = {speaker: [sound for _, sound in sounds[:count]] for speaker, sounds in self.neutral.items()}
        return {
            speaker: learn(settings, sound_events(np.concatenate(sounds)), voice=self.subject.model)
            for speaker, sounds in heard.items()
        }

    def speech(self, count: int) -> list[float]:
        """Return for each speaker the seconds of speech in so many clips, silent ends left out."""
        return [sum(_speech(sound) for _, sound in sounds[:count]) for sounds in self.neutral.values()]


def can_learn(model: VoiceModel | FaceModel) -> bool:
    """Whether a session with this model can be calibrated to somebody."""
    return model.traits.adaptive or model.traits.neutral is not None


def neutral_items(items: Iterable[Item], name: Callable[[Item], str], count: int) -> dict[str, list[Item]]:
    """Return the first `count` neutral items of each speaker, in the order of their names (without ending).

    RAVDESS' names tell calm from neutral: calm is taken only of whom there is no other neutral item.
    """
    found: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(items, key=name):
        if item.label == "neutral":
            found[item.speaker].append(item)
    chosen = {}
    for speaker, theirs in found.items():
        proper = [item for item in theirs if not (speaker.startswith("ravdess-") and name(item)[6:8] == CALM)]
        chosen[speaker] = (proper or theirs)[:count]
    return chosen


def measure(settings: Settings, meetings: Sequence[Meeting], pooled: Mapping[str, Answers]) -> dict[str, Any]:
    """Return the figures of plain and calibrated answers about the same clips, and the gain.

    The clips that a speaker is learnt from are left out of both. `pooled` are the plain answers by view, as
    `voice.accuracy` returns them, about these clips and any others. `learnt` counts the speakers of whom the
    session learnt something; the others are measured as viewers whose calibration failed: without. `by_clips` has
    the stream by the number of clips that were learnt from, always on what all of them leave.
    """
    most = max(len(sounds) for meeting in meetings for sounds in meeting.neutral.values())
    table: dict[str, Any] = {"clips": most, "by_clips": {}, "by_model": {}}
    for count in sorted({*(few for few in FEWER if few < most), most}):
        wanted = VIEWS if count == most else (STREAM,)
        known = [meeting.learn(settings, count) for meeting in meetings]
        parts = [
            ask(meeting.subject.model, meeting.rest(), _of_known(settings, wanted, learnt), f"calibrated on {count}")
            for meeting, learnt in zip(meetings, known, strict=True)
        ]
        compared = {name: compare(join(part[name] for part in parts), pooled[name]) for name in wanted}
        everybody = [learnt for part in known for learnt in part.values()]
        table["by_clips"][str(count)] = {
            "speech": float(np.mean([seconds for meeting in meetings for seconds in meeting.speech(count)])),
            "speakers": len(everybody),
            "learnt": sum(learnt.reference is not None or learnt.voice is not None for learnt in everybody),
            **compared[STREAM],
        }
        if count == most:
            table["views"] = compared
            table["by_model"] = {
                meeting.subject.model.name: compare(part[STREAM], pooled[STREAM])
                for meeting, part in zip(meetings, parts, strict=True) if len(part[STREAM])
            }  # fmt: skip
    return table


def compare(new: Answers, old: Answers) -> dict[str, Any]:
    """Return the figures of new answers, and of the old ones about the same clips, and the gain."""
    old = old.select(np.isin(old.clips, new.clips))
    return {"plain": old.figures(), "calibrated": new.figures(), "gain": gain(new, old)}


def _of_known(settings: Settings, wanted: Iterable[str], learnt: Mapping[str, Learnt]) -> dict[str, View]:
    ways = views(settings)

    def known(view: View) -> View:
        return lambda model, clip, sound: view(KnownVoice(model, learnt[clip.speaker]), clip, sound)

    return {name: known(ways[name]) for name in wanted}


def _speech(sound: Int16) -> float:
    first, last = speech_span(sound)
    return (last - first) / SAMPLE_RATE
