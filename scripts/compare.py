"""Print one table of trained models: how right they are on people they never saw, how large, how fast on one core.

python -m scripts.compare NAME ... [--fer2013 DIR] [--ravdess DIR] [--weights DIR]

NAME is an artefact in the folder of weights. Voice artefacts that end in `_fold0`, `_fold1` ... and are otherwise of
one name are one line: a cross-validation, each on the speakers that it has not heard, pooled. Faces are judged on the
pictures of FER-2013's PublicTest that have one of the model's labels, voices on RAVDESS as a viewer would see them
(the smoothed stream).
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.quick_check import classify_faces
from app.settings import Settings, load
from models.artefact import ArtefactError, ArtefactInfo
from models.datasets import fer2013
from models.datasets.clips import read_clips, with_labels
from models.datasets.faces import with_labels as faces_with_labels
from models.datasets.layout import DataLayoutError
from models.datasets.ravdess import clips as ravdess
from models.inference import VoiceModel
from models.labels import LABELS
from models.loading import load_face, load_voice
from models.onnx_engine import open_session, read_info
from models.registry import entry
from scripts.evaluate import speed, tables, voice
from scripts.evaluate.answers import LeakageError, ask, join, sum_up, unheard_clips

FOLD = re.compile(r"_fold\d+$")
REPEATS = 100
HEADS = ("model", "network", "labels", "parameters", "measured on", "n", "top-1 [95 %]", "UAR [95 %]", "ECE",
         "ms on one core", "its source says")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found of a model: on what, with which figures (`answers.sum_up`), and the median milliseconds."""

    on: str
    figures: dict[str, Any]
    millis: float


def row(name: str, info: ArtefactInfo, found: Measured) -> list[str]:
    """Return the cells of a model's line."""
    known, figures = entry(info.network), found.figures
    labels = "7" if len(info.labels) == len(LABELS) else ", ".join(info.labels)
    return [
        name, f"`{info.network}` ({known.source})", labels, f"{known.parameters(info.options):,}", found.on,
        f"{figures['n']}", f"{tables.share(figures['top1'])} {tables.interval(figures['top1_interval'])}",
        f"{tables.share(figures['uar'])} {tables.interval(figures['uar_interval'])}", f"{figures['ece']:.3f}",
        f"{found.millis:.2f}", known.claim or "-",
    ]  # fmt: skip


def measure_face(settings: Settings, name: str, root: Path) -> Measured:
    """Measure a face model on the pictures that have one of its labels."""
    model = load_face(name, engine=settings.inference_engine, weights_dir=settings.weights_dir)
    faces = faces_with_labels(fer2013.load(root, "test"), model.traits.labels)
    (millis,) = speed.face(model, REPEATS).values()
    return Measured(f"FER-2013 {faces.usage}", sum_up(classify_faces(model, faces.images), faces.labels), millis)


def measure_voice(settings: Settings, names: Sequence[str], root: Path) -> Measured:
    """Measure a voice model, or those of a cross-validation, on the speakers that they have not heard."""
    models: list[VoiceModel] = [
        load_voice(name, engine=settings.inference_engine, weights_dir=settings.weights_dir) for name in names
    ]
    view = {voice.STREAM: voice.smoothed(settings)}
    answers = join(
        ask(model, list(read_clips(clips)), view)[voice.STREAM]
        for model, clips in zip(models, unheard_clips(models, with_labels(ravdess(root), models[0].traits.labels)),
                                strict=True)
    )  # fmt: skip
    millis = speed.voice(models[0], REPEATS)["1 s window"]
    return Measured(f"RAVDESS, {len(set(answers.speakers))} speakers", answers.figures(), millis)


def models_of(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Group artefacts into models: the folds of one name are one."""
    models: dict[str, list[str]] = {}
    for name in names:
        models.setdefault(FOLD.sub("", name), []).append(name)
    return list(models.items())


def check(options: argparse.Namespace) -> list[tuple[str, list[str], ArtefactInfo, Path]]:
    """Return each model's name, artefacts, description and data; all are looked at before any is measured.

    Raises:
        ArtefactError: There is no such artefact, or it is a fusion model.
        DataLayoutError: The folder of its data is not given.
    """
    models = []
    for name, parts in models_of(options.names):
        paths = [options.weights / f"{part}.onnx" for part in parts]
        info, *_ = [read_info(open_session(path, threads=1), path) for path in paths]
        if info.kind == "fusion":
            raise ArtefactError(f"{name} is a fusion model: `python -m scripts.evaluate fusion` measures those")
        option = "fer2013" if info.kind == "face" else "ravdess"
        root = getattr(options, option)
        if root is None:
            raise DataLayoutError(f"{name}: --{option} is not given")
        models.append((name, parts, info, root))
    return models


def main() -> None:
    """Parse the command line, measure, print."""
    settings = load()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--ravdess", type=Path, default=settings.ravdess_root, help="folder with Actor_01 ...")
    parser.add_argument("--fer2013", type=Path, default=settings.fer2013_root, help="folder with test/, or the CSV")
    parser.add_argument("--weights", type=Path, default=settings.weights_dir, help="folder of the models")
    options = parser.parse_args()
    settings = settings.model_copy(update={"weights_dir": options.weights, "inference_threads": 1})
    rows = []
    try:
        for name, parts, info, root in check(options):
            found = measure_face(settings, name, root) if info.kind == "face" else measure_voice(settings, parts, root)
            rows.append(row(name, info, found))
    except (ArtefactError, DataLayoutError, LeakageError) as error:
        sys.exit(str(error))
    print(tables.table(HEADS, rows))


if __name__ == "__main__":
    main()
