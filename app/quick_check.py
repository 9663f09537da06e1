"""Accuracy on the user's own copies of RAVDESS and FER-2013, through the code that serves viewers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.settings import Settings
from app.viewer.fusion import late_fusion
from app.viewer.session import Session
from models.datasets import fer2013
from models.datasets.faces import with_labels
from models.datasets.layout import DataLayoutError, draw
from models.datasets.speech import Clip, ravdess, read_clips
from models.inference import SAMPLE_RATE, FaceModel, Float32, Int16, UInt8, VoiceModel
from models.labels import LABELS
from models.metrics import Report, report

Labels = NDArray[np.int64]
PARTS = ("voice", "face", "fused")
BATCH = 64


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What was measured, and what was not and why."""

    reports: dict[str, Report] = field(default_factory=dict)
    """By name in `PARTS`; one without data is missing."""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON: a report for each of `PARTS`, null where there was no data."""
        parts = {name: self.reports[name].as_dict() if name in self.reports else None for name in PARTS}
        return {**parts, "notes": self.notes}

    def table(self) -> str:
        """Return the figures as a table for people; a sentence where there are none."""
        if not self.reports:
            return "nothing was measured"
        lines = [f"{'':6} {'N':>6}  {'Top-1 [95 %]':<23} {'Top-5 [95 %]':<23} UAR [95 %]"]
        for name, r in self.reports.items():
            pairs = ((r.top1, r.top1_interval), (r.top5, r.top5_interval), (r.uar, r.uar_interval))
            shares = (f"{share:6.1%} [{low:.1%}, {high:.1%}]" for share, (low, high) in pairs)
            lines.append(f"{name:6} {r.n:>6}  " + " ".join(f"{text:<23}" for text in shares).rstrip())
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Examples:
    """What there is to measure on; each is None where its root is not set or cannot be used."""

    clips: list[Clip] | None
    """Not read yet."""
    faces: fer2013.Faces | None
    notes: list[str]
    """Why one is None."""


def find_examples(settings: Settings, seed: int = 0) -> Examples:
    """Look into `ravdess_root` and `fer2013_root`; needs no model."""
    clips = faces = None
    notes = []
    try:
        clips = ravdess(_root(settings.ravdess_root, "RAVDESS_ROOT"))
    except (DataLayoutError, OSError) as error:
        notes.append(f"voice not checked: {error}")
    try:
        root = _root(settings.fer2013_root, "FER2013_ROOT")
        faces = fer2013.load(root, "test", settings.quick_check_per_class, seed)
    except (DataLayoutError, OSError) as error:
        notes.append(f"face not checked: {error}")
    return Examples(clips, faces, notes)


def _root(root: Path | None, name: str) -> Path:
    if root is None:
        raise DataLayoutError(f"{name} is not set, or --{name.removesuffix('_ROOT').lower()} DIR not given")
    return root


def quick_check(settings: Settings, examples: Examples, voice: VoiceModel, face: FaceModel, seed: int = 0) -> Accuracy:
    """Measure voice, face and fused accuracy on samples of RAVDESS and FER-2013.

    Voices are streamed through a `Session`, clip by clip, and judged by what its viewer would have seen last.
    Faces are FER-2013's own crops (usage PublicTest), so the detector has no part in that figure. The fused figure
    pairs voices and faces of one label at random and fuses them late: a synthetic check, since neither data set has
    both. What is not there costs its figure and one note, nothing else; so do labels that neither model can say.
    """
    accuracy = Accuracy(notes=list(examples.notes))
    rng = np.random.default_rng(seed)
    known = voice.traits.labels, face.traits.labels
    voices = faces = None
    clips, pictures = _sayable(examples, {label for labels in known for label in labels}, accuracy.notes)
    if clips:
        voices = _voices(settings, clips, voice, accuracy.notes, rng)
    if pictures:
        faces = classify_faces(face, pictures.images), pictures.labels
    if voices:
        accuracy.reports["voice"] = report(*voices)
    if faces:
        accuracy.reports["face"] = report(*faces)
    if voices and faces:
        fused, labels = synthetic_pairs(voices, faces, settings.fusion_weight, rng, known)
        if labels.size:
            accuracy.reports["fused"] = report(fused, labels)
            accuracy.notes.append("fused: late fusion of synthetic pairs, a voice and a face of the same label")
        else:
            accuracy.notes.append("fused not checked: voices and faces have no label in common")
    return accuracy


def stream_clip(settings: Settings, model: VoiceModel, sound: Int16) -> Float32 | None:
    """Stream a clip [N] through a session of its own and return the last smoothed probabilities [7] that it showed.

    None where the gate never opened. Time is the clip's own: nothing waits.
    """
    session = Session(settings, now=0.0, voice=model.traits)
    window = round(settings.voice_window * SAMPLE_RATE)
    if len(sound) < window:
        sound = np.concatenate([np.zeros(window - len(sound), np.int16), sound])
    chunk = round(settings.result_interval * SAMPLE_RATE)
    shown = None
    for start in range(0, len(sound), chunk):
        samples = sound[start : start + chunk]
        now = (start + len(samples)) / SAMPLE_RATE
        session.receive_audio(samples, None, now)
        hear_window(session, model, now)
        probs = session.result(now).voice.probs
        if probs:
            shown = np.array([probs[label] for label in LABELS], dtype=np.float32)
    return shown


def hear_window(session: Session, model: VoiceModel, now: float) -> None:
    """Put the newest window of a session to a model, if there is something to ask; it answers at once."""
    window = session.take_window(now)
    if window is None:
        return
    probs, statistics = model.answer(window.samples[None], window.reference[None])
    session.heard(window, probs[0], now, None if statistics is None else statistics[0])


def classify_faces(model: FaceModel, images: UInt8) -> Float32:
    """Classify grey pictures [N, H, W] that are already framed as crops; returns probabilities [N, 7]."""
    probs = []
    batches = range(0, len(images), BATCH)
    for start in tqdm(batches, desc="faces", unit="batch", leave=False):
        resized = [cv2.resize(image, (model.size, model.size)) for image in images[start : start + BATCH]]
        crops = np.repeat(np.stack(resized)[..., None], model.channels, axis=3)
        probs.append(model.predict(crops))
    return np.concatenate(probs)


def synthetic_pairs(
    voices: tuple[Float32, Labels],
    faces: tuple[Float32, Labels],
    weight: float,
    rng: np.random.Generator,
    known: tuple[Collection[str], Collection[str]] = (LABELS, LABELS),
) -> tuple[Float32, Labels]:
    """Give each voice a face of the same label at random, and fuse the two by the labels that each model knows."""
    fused, labels = [], []
    for probs, label in zip(*voices, strict=True):
        same = np.flatnonzero(faces[1] == label)
        if same.size:
            both = late_fusion(probs, faces[0][rng.choice(same)], weight, *known)
            fused.append(both)
            labels.append(label)
    return np.array(fused, dtype=np.float32), np.array(labels, dtype=np.int64)


def _sayable(
    examples: Examples, labels: Collection[str], notes: list[str]
) -> tuple[list[Clip] | None, fer2013.Faces | None]:
    """Leave out what no model can have right."""
    left_out = [label for label in LABELS if label not in labels]
    if not left_out:
        return examples.clips, examples.faces
    notes.append(f"left out, because no model knows them: {', '.join(left_out)}")
    clips = examples.clips and [clip for clip in examples.clips if clip.label in labels]
    return clips, examples.faces and with_labels(examples.faces, labels)


def _voices(
    settings: Settings, clips: list[Clip], model: VoiceModel, notes: list[str], rng: np.random.Generator
) -> tuple[Float32, Labels] | None:
    unheard = [clip for clip in clips if clip.speaker not in model.heard]
    if len(unheard) < len(clips):
        notes.append(f"voice: left out {len(clips) - len(unheard)} clips of actors that the model was trained on")
    answers, labels = [], []
    silent = 0
    drawn = _draw(unheard, settings.quick_check_per_class, rng)
    for clip, sound in tqdm(read_clips(drawn), total=len(drawn), desc="voices", unit="clip", leave=False):
        probs = stream_clip(settings, model, sound)
        if probs is None:
            silent += 1
            continue
        answers.append(probs)
        labels.append(LABELS.index(clip.label))
    if silent:
        notes.append(f"voice: {silent} clips stayed below SILENCE_RMS throughout and got no answer")
    if not answers:
        notes.append("voice not checked: no clip was left")
        return None
    return np.stack(answers), np.array(labels, dtype=np.int64)


def _draw(clips: Sequence[Clip], per_class: int, rng: np.random.Generator) -> list[Clip]:
    return [clip for label in LABELS for clip in draw([c for c in clips if c.label == label], per_class, rng)]
