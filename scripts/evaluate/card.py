"""A model card's figures, part by part: measured, printed as they come, and kept."""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.settings import Settings
from models.artefact import ArtefactError
from models.datasets import fer2013
from models.datasets.layout import DataLayoutError
from models.datasets.speech import Clip, ravdess, read_clips, savee
from models.detection import FaceDetector
from models.face_path import Framed, load_face_path
from models.inference import FacePath, Float32, VoiceModel
from models.labels import LABELS
from models.loading import load_fusion, load_voice
from scripts.evaluate import blocks, calibration, face, fusion, no_voice, plots, speed, tables, voice
from scripts.evaluate.answers import Answers, ask, refuse_heard, refuse_namesakes, unheard_clips
from scripts.measure_crop import video_frames

PARTS = ("voice", "face", "fusion", "speed")
NEEDS = {"voice": "ravdess", "face": "fer2013", "fusion": "ravdess_av"}
"""The option that has a part's data."""
SETTINGS = (
    "inference_engine", "fusion_weight", "voice_smoothing", "face_smoothing", "result_interval", "voice_window",
    "silence_rms", "detector_confidence", "detect_every",
)  # fmt: skip
"""What the figures depend on, kept with them."""
QUICK_CLIPS, QUICK_FACES = 1, 20
"""With --quick: clips of each label of each speaker, and pictures of each label."""
NOISE_RATIO = 10
"""Of speech to noise in dB; what it costs is told apart."""
BABBLE_CLIPS = 60
"""Clips that babble is drawn from, spread over all the speakers."""
VIDEO_FRAMES = 8
"""Frames of each video in which faces are looked for at a distance."""


class Card:
    """What is measured so far: printed as it comes, and kept for the JSON file."""

    def __init__(self, options: argparse.Namespace, settings: Settings) -> None:
        self._options, self._settings = options, settings
        self.kept: dict[str, Any] = {"labels": LABELS, "quick": options.quick, "notes": []}
        self.kept["settings"] = {name: getattr(settings, name) for name in SETTINGS}
        self._shown: Answers | None = None
        self._seen: tuple[Any, Any] | None = None

    def run(self, parts: Sequence[str]) -> None:
        """Measure the parts whose data are given."""
        ways = {"voice": self._voice, "face": self._face, "fusion": self._fusion, "speed": self._speed}
        for part in PARTS:
            if part not in parts:
                continue
            if lacking := needed(part, self._options):
                self._note(f"{part}: not measured, {lacking} is not given")
                continue
            ways[part]()

    def _voice(self) -> None:
        """Measure the voice path."""
        options, settings = self._options, self._settings
        models = [self._voice_model(name) for name in options.folds or [options.voice_model]]
        refuse_namesakes(models)
        everybody = ravdess(options.ravdess)
        clips = [clip for clip in everybody if not options.actors or int(clip.speaker[-2:]) in options.actors]
        if options.actors:
            refuse_heard(models, clips)
        kept = self.kept["voice"] = {"models": [model.name for model in models]}
        meetings = self._meetings(models, clips)
        subjects = [meeting.subject for meeting in meetings]
        kept["accuracy"], pooled = voice.accuracy(settings, subjects)
        _say(f"Voice, RAVDESS: {', '.join(kept['models'])}", *blocks.accuracy(kept["accuracy"]))
        if len(kept["accuracy"]["pooled"][voice.WHOLE]["speakers"]) == 1:
            self._note("voice: one speaker; the intervals are over their clips and say nothing of other people")
        for name, answers in pooled.items():
            self._draw("voice", name, answers.probs, answers.labels)
        self._shown = pooled[voice.STREAM]
        self._calibrated_voice(meetings, pooled)
        if options.savee:
            self._savee(models)
        spread = everybody[:: max(1, len(everybody) // BABBLE_CLIPS)]
        kept["conditions"] = voice.robustness(settings, subjects, list(read_clips(spread)))
        kept["cost_of_noise"] = voice.cost_of_noise(kept["conditions"], NOISE_RATIO)
        _say("Voice in noise, rooms and telephones (nobody calibrated)", tables.voice_conditions(kept["conditions"]),
             tables.cost_of_noise(kept["cost_of_noise"], NOISE_RATIO))  # fmt: skip
        self._no_voice(models)

    def _no_voice(self, models: Sequence[VoiceModel]) -> None:
        """Measure what is shown of sounds without a voice: of the models at hand, and of the one that serves."""
        seconds = 10 if self._options.quick else 30
        figures = self.kept["voice"]["not_a_voice"] = no_voice.measure(self._settings, models, seconds)
        _say("Sounds that are no voice, as viewers see them", tables.not_a_voice(figures))
        if not self._options.folds:
            return
        try:
            serves = self._voice_model(self._options.voice_model)
        except ArtefactError as error:
            self._note(f"voice: sounds that are no voice not put to the model that serves: {error}")
            return
        figures = self.kept["voice"]["not_a_voice_served"] = no_voice.measure(self._settings, [serves], seconds)
        _say(f"Sounds that are no voice, as viewers of {serves.name} see them", tables.not_a_voice(figures))

    def _calibrated_voice(self, meetings: Sequence[calibration.Meeting], pooled: Mapping[str, Answers]) -> None:
        """Measure what calibration gains."""
        if not self._options.neutral_clips:
            self._note("voice: calibration not measured, --neutral-clips is 0")
            return
        fixed = [meeting.subject.model.name for meeting in meetings if not calibration.can_learn(meeting.subject.model)]
        if fixed:
            self._note(f"voice: {', '.join(fixed)} cannot be calibrated to a speaker: takes no reference, and does not "
                       "say how it answers to neutral people")  # fmt: skip
        learning = [meeting for meeting in meetings if meeting.neutral and meeting.rest()]
        strangers = {clip.speaker for meeting in meetings for clip, _ in meeting.subject.sounds
                     if meeting.subject.model.name not in fixed and clip.speaker not in meeting.neutral}  # fmt: skip
        if strangers:
            self._note(f"voice: no neutral clip to learn {', '.join(sorted(strangers))} from")
        if not learning:
            return
        figures = self.kept["voice"]["calibrated"] = calibration.measure(self._settings, learning, pooled)
        _say("Voice, calibrated on the speaker's own neutral clips", *blocks.calibrated_voice(figures))

    def _face(self) -> None:
        """Measure the face path."""
        faces = fer2013.load(self._options.fer2013, self._options.split, QUICK_FACES if self._options.quick else 0)
        path = self._face_path()
        kept = self.kept["face"] = {"model": path.name, "usage": faces.usage}
        kept["accuracy"], probs = face.accuracy(path.model, faces)
        self._seen = probs, faces.labels
        rows = {"crops": kept["accuracy"]}
        kept["by_photograph"] = self._by_photograph(probs, faces)
        _say(f"Face, FER-2013 {kept['usage']}: {path.name}", tables.accuracy(rows),
             *blocks.by_photograph(kept["by_photograph"]), tables.recalls(rows), tables.selective(rows),
             tables.confusion(kept["accuracy"]))  # fmt: skip
        if self._options.split == "test":
            self._note("face: usage PublicTest also chose the epoch and the temperature of the project's own model"
                       + ("" if faces.public else "; it may be a part of this split, as may PrivateTest"))  # fmt: skip
        self._note("face: no figure by gender, FER-2013 does not say it")
        self._draw("face", "crops", probs, faces.labels)
        detector = FaceDetector(self._settings.detector_confidence)
        # Every face model that a path can hold says how its crops are framed.
        kept["conditions"] = face.robustness(path, path.model.geometry, faces, detector)  # type: ignore[attr-defined]
        _say("Face in bad conditions", tables.face_conditions(kept["conditions"]))
        videos = sorted((self._options.ravdess_av / "clips").glob("*.mp4")) if self._options.ravdess_av else []
        if videos:
            frames = (frame for video in videos for frame in video_frames(video, VIDEO_FRAMES))
            kept["far_faces"] = face.far_faces(frames, detector)
            _say("Faces found at a distance, real videos", tables.far_faces(kept["far_faces"]))

    def _by_photograph(self, probs: Float32, faces: fer2013.Faces) -> dict[str, Any] | None:
        try:
            return face.by_photograph(probs, faces, face.trained_on(self._options.fer2013))
        except DataLayoutError as error:
            self._note(f"face: not told apart by whether a photograph was trained on as well: {error}")
            return None

    def _fusion(self) -> None:
        """Measure late fusion, and beside it a model that hears and sees at once."""
        options, settings = self._options, self._settings
        model, path = self._voice_model(options.voice_model), self._face_path()
        known = model.traits.labels, path.model.traits.labels
        kept = self.kept["fusion"] = {"voice": model.name, "face": path.name}
        scenes = {"videos": fusion.video_scenes(options.ravdess_av)}
        if options.ravdess:
            scenes["faces and sound"] = fusion.face_crop_scenes(options.ravdess_av, options.ravdess)
        else:
            self._note("fusion: no faces with sound, --ravdess is not given")
        for name, these in scenes.items():
            if not these:
                self._note(f"fusion: no {name}")
                continue
            chosen = these[:: max(1, len(these) // 14)] if options.quick else these
            seen = fusion.watch_all(settings, chosen, model, path)
            kept[name] = fusion.real(settings, seen, partial(self._draw, f"fusion {name}"), known)
            _say(f"Fusion, real: {name}, {model.name} + {path.name}", *blocks.fusion(kept[name]))
            if options.concat:
                self._together(name, chosen, seen, model)
            if len(these) > blocks.FEW:
                self._calibrated_fusion(name, these, seen, model, path)
        if self._shown is not None and self._seen is not None:
            kept["synthetic"] = fusion.synthetic(settings, self._shown, self._seen, known)
            _say("Fusion, synthetic: RAVDESS voices and FER-2013 faces of the same label, paired at random",
                 tables.accuracy({"fused": kept["synthetic"]["fused"]}))  # fmt: skip
            self._note("fusion: synthetic pairs say nothing of real people, whose voice and face go together")

    def _together(self, name: str, scenes: Sequence[fusion.Scene], late: fusion.Seen, model: VoiceModel) -> None:
        """Measure a fusion model on scenes that were fused late before."""
        settings = self._settings
        both = load_fusion(self._options.concat, engine=settings.inference_engine, weights_dir=settings.weights_dir)
        seen = fusion.watch_all(settings, scenes, model, self._face_path(both), f"scenes, {both.name}", both)
        figures = fusion.beside(late, seen, partial(self._draw, f"fusion {name}"))
        self.kept["fusion"][f"{name}, together"] = {"fusion": both.name, **figures}
        _say(f"Fusion, real: {name}, {both.name} beside late fusion", *blocks.together(both.name, figures))

    def _calibrated_fusion(
        self, name: str, scenes: Sequence[fusion.Scene], plain: fusion.Seen, model: VoiceModel, path: FacePath
    ) -> None:
        """Measure what calibration gains on scenes."""
        fixed = [one.name for one in (model, path.model) if not calibration.can_learn(one)]
        if fixed:
            self._note(f"fusion: {', '.join(fixed)} cannot be calibrated to a person")
        count = self._options.neutral_clips
        neutral = calibration.neutral_items(scenes, lambda scene: scene.name, count) if count else {}
        if len(fixed) == 2 or not neutral:
            return
        figures = self.kept["fusion"][f"{name}, calibrated"] = fusion.calibrated(
            self._settings, plain, neutral, model, path, partial(self._draw, f"fusion {name}")
        )
        title = f"Fusion, real: {name}, calibrated on the person's own neutral scenes"
        _say(title, *blocks.calibrated_fusion(figures))

    def _speed(self) -> None:
        """Measure the time of an answer."""
        options = self._options
        repeats = 30 if options.quick else 300
        model, path = self._voice_model(options.voice_model), self._face_path()
        weights = self._settings.weights_dir
        rows = self.kept["speed"] = {
            model.name: {**speed.size(weights, options.voice_model), "ms": speed.voice(model, repeats)},
            path.name: {**speed.size(weights, options.face_model), "ms": speed.face(path.model, repeats)},
        }
        if options.fer2013:
            picture = fer2013.load(options.fer2013, options.split, 1).images[LABELS.index("happy")]
            rows[path.name]["ms"] |= speed.face_path(path, picture, repeats)
        _say(f"Speed, one thread of {self._settings.inference_engine}", tables.speeds(rows))

    def _savee(self, models: Sequence[VoiceModel]) -> None:
        """Measure on SAVEE, another corpus, with every model that has not heard it."""
        clips = savee(self._options.savee)
        rows = self.kept["voice"]["savee"] = {}
        for model in models:
            own = [clip for clip in clips if clip.speaker not in model.heard]
            if own:
                sounds = list(read_clips(_thin(own) if self._options.quick else own))
                for name, answers in ask(model, sounds, voice.views(self._settings), "SAVEE").items():
                    rows[f"{model.name}, {name}"] = answers.figures()
        if rows:
            _say("Voice, SAVEE", tables.accuracy(rows))
        else:
            self._note("voice: SAVEE not measured, its speakers have been heard")

    def _meetings(self, models: Sequence[VoiceModel], clips: Sequence[Clip]) -> list[calibration.Meeting]:
        parts = unheard_clips(models, clips)
        left_out = sorted({clip.speaker for clip in clips} - {clip.speaker for part in parts for clip in part})
        if left_out:
            self._note(f"voice: left out {', '.join(left_out)} (heard, or not heard by several of the models)")
        return [self._meeting(model, part) for model, part in zip(models, parts, strict=True) if part]

    def _meeting(self, model: VoiceModel, clips: Sequence[Clip]) -> calibration.Meeting:
        count = self._options.neutral_clips if calibration.can_learn(model) else 0
        neutral = calibration.neutral_items(clips, lambda clip: clip.path.stem, count) if count else {}
        read = {speaker: list(read_clips(theirs)) for speaker, theirs in neutral.items()}
        return calibration.Meeting(
            voice.Subject(model, list(read_clips(_thin(clips) if self._options.quick else clips))),
            {speaker: sounds for speaker, sounds in read.items() if sounds},
        )

    def _voice_model(self, name: str) -> VoiceModel:
        return load_voice(name, engine=self._settings.inference_engine, weights_dir=self._settings.weights_dir)

    def _face_path(self, fusion: Framed | None = None) -> FacePath:
        path, _ = load_face_path(
            self._options.face_model,
            engine=self._settings.inference_engine,
            weights_dir=self._settings.weights_dir,
            detector_confidence=self._settings.detector_confidence,
            detect_every=self._settings.detect_every,
            fusion=fusion,
        )
        return path

    def _draw(self, path: str, title: str, probs: Float32, labels: NDArray[np.int64]) -> None:
        if self._options.figures:
            plots.draw(self._options.figures, f"{path}, {title}", probs, labels)

    def _note(self, text: str) -> None:
        self.kept["notes"].append(text)
        print(f"\nNote: {text}")


def _thin(clips: Sequence[Clip]) -> list[Clip]:
    groups: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.speaker, clip.label].append(clip)
    return [clip for group in groups.values() for clip in group[-QUICK_CLIPS:]]


def _say(title: str, *blocks: str) -> None:
    print(f"\n## {title}", *blocks, sep="\n\n", flush=True)


def needed(part: str, options: argparse.Namespace) -> str | None:
    """Return the option without which a part cannot be measured, where it is not given."""
    need = NEEDS.get(part)
    return f"--{need.replace('_', '-')}" if need is not None and getattr(options, need) is None else None
