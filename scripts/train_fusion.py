"""Train feature fusion on scenes that are heard and seen, choosing its epoch on speakers held out from training.

python -m scripts.train_fusion --name my --voice weights/audio_bilstm.pt --face weights/fer_resnet.pt --data crema_d DIR
python -m scripts.train_fusion --name my --model concat --pretrained --data meld DIR
python -m scripts.train_fusion --name my --option voice=cnn_mfcc --option face=mini_xception --data ravdess DIR
python -m scripts.train_fusion --name my --voice ... --face ... --synthetic --ravdess DIR --fer2013 DIR

--voice and --face start from trained artefacts, with their networks, weights and crops, and train the layers after
their features alone; --finetune then trains everything at a low rate. --pretrained starts from published weights, in
the same two phases. Otherwise everything is trained from scratch.

Films are split by speaker. Their faces are found and cut out as when serving, and are kept in memory alone.
--synthetic makes up for films: it pairs a voice of RAVDESS and a face of FER-2013 of the same label at random, so that
what is learned of how the two go together is nothing but how far to trust each.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from models import crop
from models.artefact import ArtefactInfo, check_labels
from models.crop import Framing
from models.datasets import catalogue, fer2013, ravdess
from models.datasets.clips import Pair, read_clips, with_labels
from models.datasets.faces import without_duplicates
from models.datasets.layout import DataLayoutError, name_file
from models.datasets.splits import Split, TooFewSpeakersError
from models.detection import FaceDetector
from models.labels import LABELS
from models.metrics import report
from models.networks.concat import ConcatFusion
from models.pooling import fit_sharpening
from models.registry import UnknownNetworkError, entry
from models.scene_batches import HeldOutScenes, SceneBatches
from models.scenes import Scene, film_scenes, settle, synthetic_scenes
from models.torch_engine import Calibrated, fit_temperature
from models.training import Recipe, fit
from scripts.option_values import file_name, whole_number
from scripts.train_voice import ACTORS, split
from scripts.training_options import (
    add_options,
    build,
    chosen,
    complete,
    crop_side,
    digest,
    examples,
    finish,
    in_phases,
    those_there,
)

MODEL, SYNTHETIC = "concat", "synthetic"
FACES_OF_A_VOICE = 2
"""Pairs that each clip held out makes where they are synthetic."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data", nargs=2, metavar=("NAME", "DIR"),
        help=f"films: one of {', '.join(catalogue.names('audio-visual'))}, and its folder",
    )  # fmt: skip
    source.add_argument("--synthetic", action="store_true", help="pair voices and faces of the same label instead")
    parser.add_argument("--ravdess", type=Path, help="folder with Actor_01 ...: the voices of --synthetic")
    parser.add_argument("--fer2013", type=Path, help="folder with train/ and test/, or fer2013.csv: its faces")
    add_options(parser, "fusion", MODEL)
    parser.add_argument("--name", type=file_name, default=MODEL, help="of the artefact (default: %(default)s)")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder for the artefact")
    parser.add_argument("--voice", type=Path, help="voice artefact (.pt) to start from, with --face")
    parser.add_argument("--face", type=Path, help="face artefact (.pt) to start from, with --voice")
    parser.add_argument("--finetune", action="store_true", help="then train everything, at a low rate")
    parser.add_argument(
        "--size", type=whole_number, help="side of the crops in pixels (default: as the face network takes them)"
    )
    parser.add_argument(
        "--frames", type=whole_number, default=5, help="pictures of a film that a face is looked for in"
    )
    parser.add_argument("--windows", type=whole_number, default=4, help="windows that are drawn of a scene in an epoch")
    return parser


def arguments() -> argparse.Namespace:
    """Parse the command line.

    `known` is the network's entry, `phases` its recipes, `labels` what to tell apart, `data` the data set's name (or
    `synthetic`) and `root` its folder, `framing` the crops; `parts` are the artefacts to start from, voice and face,
    or none.
    """
    parser = _parser()
    options = parser.parse_args()
    try:
        options.known = entry(options.model, "fusion")
        if options.synthetic:
            options.data, options.root, there = SYNTHETIC, options.ravdess, LABELS
        else:
            data_set, options.root = catalogue.find(options.data[0]), Path(options.data[1])
            options.data, there = data_set.name, data_set.labels
        options.labels = options.labels or there
        check_labels(options.labels)
        options.parts = [
            Calibrated.load(path, kind) for kind in ("voice", "face") if (path := getattr(options, kind)) is not None
        ]
    except (UnknownNetworkError, ValueError) as error:  # an `ArtefactError` is a `ValueError`
        parser.error(str(error))
    if {options.ravdess is not None, options.fer2013 is not None} != {options.synthetic}:
        parser.error("--synthetic takes --ravdess DIR and --fer2013 DIR, which are for nothing else")
    if not options.synthetic and options.data not in catalogue.names("audio-visual"):
        parser.error(f"{options.data} has no films: there are {', '.join(catalogue.names('audio-visual'))}")
    if len(options.parts) == 1:
        parser.error("--voice and --face go together")
    if options.parts and (options.pretrained or options.start):
        parser.error("--voice and --face are where it starts: leave --pretrained and --start out")
    if options.finetune and not options.parts:
        parser.error("--finetune is for what starts from --voice and --face")
    options.run = options.run or Path("runs", options.name)
    _complete(options, parser)
    return options


def _complete(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Set the network's options, its recipes and its crops."""
    taken: dict[str, Any] = {}
    for part in options.parts:
        taken |= {part.info.kind: part.info.network, f"{part.info.kind}_options": part.info.options}
    if twice := sorted(taken.keys() & dict(options.option).keys()):
        parser.error(f"--option {', '.join(twice)}: the artefacts say so already")
    if options.parts and not options.finetune:
        options.known = replace(options.known, recipe=options.known.finetuning[0])
    complete(options, taken, parser.error)
    if any(recipe.mixup for recipe in options.phases):
        parser.error("--mixup is not for pairs of sound and picture")
    if options.parts:
        face: ArtefactInfo = options.parts[1].info
        options.framing = Framing(face.size, face.channels, face.framing(options.face))
        if options.size not in (None, face.size):
            parser.error(f"{options.face} takes crops of {face.size} pixels")
        return
    try:
        entry(options.option.get("voice", "wav2vec2"), "voice")
        takes = entry(options.option.get("face", "resnet50"), "face").input
    except UnknownNetworkError as error:
        parser.error(str(error))
    own = options.option.get("face_options", {})
    if not isinstance(own, dict):
        parser.error(f'--option face_options={own}: it takes an object, as {{"size": 32}}')
    size = options.size or crop_side(takes.size, own.get("size", takes.size), parser.error)
    options.framing = Framing(size, takes.channels, crop.FER2013)


def load(options: argparse.Namespace) -> tuple[list[Scene], list[Scene], dict[str, str]]:
    """Return the scenes to train on, those held out, and what a run's identity says of both.

    Raises:
        DataLayoutError: The data are not there, or there are none of a label or none to choose by.
        TooFewSpeakersError: There are not enough people to hold any out.
    """
    train, held_out, named = _synthetic(options) if options.synthetic else _films(options)
    there = {scene.label for scene in train}
    if missing := [label for label in options.labels if label not in there]:
        words = f"there is no scene to train on of {', '.join(missing)}{those_there(options.labels, there)}"
        raise DataLayoutError(words)
    if not held_out:
        raise DataLayoutError(f"{options.root} has no scene of {', '.join(options.labels)} to judge by")
    return train, held_out, named


def _films(options: argparse.Namespace) -> tuple[list[Scene], list[Scene], dict[str, str]]:
    films: Split[Pair]
    if options.data == "ravdess":
        films = Split(*split(ravdess.pairs(options.root, actors=ACTORS), None))
    else:
        films = catalogue.split_scenes(options.data, options.root)
    parts = [with_labels(part, options.labels) for part in (films.train, films.validation)]
    detector = FaceDetector()
    try:
        train, held_out = (film_scenes(part, detector, options.framing, options.frames) for part in parts)
    finally:
        detector.close()
    files = [[(path, pair.label) for pair in part for path in (pair.sound, pair.video)] for part in parts]
    return train, held_out, examples(*([name_file(*file, [options.root]) for file in part] for part in files))


def _synthetic(options: argparse.Namespace) -> tuple[list[Scene], list[Scene], dict[str, str]]:
    clips, others, _ = split(ravdess.clips(options.ravdess, ACTORS), None)
    faces, unseen = (fer2013.load(options.fer2013, part) for part in ("train", "test"))
    options.usage = unseen.usage
    train = without_duplicates(faces, unseen)
    parts = [with_labels(part, options.labels) for part in (clips, others)]
    named = [[*(name_file(clip.path, clip.label, [options.ravdess]) for clip in part), *shown.names([])]
             for part, shown in zip(parts, (train, unseen), strict=True)]  # fmt: skip
    heard, unheard = map(read_clips, parts)
    return (
        synthetic_scenes(heard, train, options.framing),
        settle(synthetic_scenes(unheard, unseen, options.framing), FACES_OF_A_VOICE),
        examples(*named),
    )


def assemble(options: argparse.Namespace) -> nn.Module:
    """Build the network, from the artefacts to start from where there are any, and see that it takes such crops."""
    if options.parts:
        own = {name: value for name, value in options.option.items() if name in ("hidden", "dropout", "classes")}
        network: nn.Module = ConcatFusion(*(part.network for part in options.parts), **own)
    else:
        network = build(options)
    framing = options.framing
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 16_000), torch.zeros(1, framing.channels, framing.size, framing.size))
    except RuntimeError as error:
        raise SystemExit(f"{options.model} does not take crops of {framing.size} pixels: {error}") from error
    return network.to(memory_format=torch.channels_last)


def identity(
    options: argparse.Namespace, train: Sequence[Scene], held_out: Sequence[Scene], named: Mapping[str, str]
) -> dict[str, Any]:
    """Return what, besides its recipe and its phase, makes this run what it is."""
    return {
        "model": options.model, "network": options.option, "labels": list(options.labels), "data": options.data,
        **named, "scenes": [len(train), len(held_out)], "heard": sorted({scene.speaker for scene in train}),
        "size": options.framing.size, "frames": options.frames, "windows": options.windows,
        "pretrained": options.pretrained,
        "start": [digest(path) for path in (options.voice, options.face, options.start)],
    }  # fmt: skip


def train_phases(
    network: ConcatFusion,
    options: argparse.Namespace,
    train: Sequence[Scene],
    scenes: Sequence[Scene],
    named: Mapping[str, str],
) -> dict[str, float]:
    """Train the network; return the epoch that is kept, and all the seconds."""
    held_out = HeldOutScenes(scenes, options.labels)

    def phase(name: str | None, recipe: Recipe, run: Path) -> dict[str, float]:
        network.freeze(frozen=name == "head" or (name is None and bool(options.parts)))
        batches = SceneBatches(train, options.labels, recipe, options.windows)
        about = {**identity(options, train, scenes, named), "phase": name}
        return fit(
            network, batches.epoch, batches.steps, held_out.metrics, recipe, run, about,
            keep=options.keep, origin=options.origin,
        )  # fmt: skip

    return in_phases(network, options, phase)


def main() -> None:
    """Train, calibrate, and publish the artefact."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    try:
        train, scenes, named = load(options)
    except (DataLayoutError, TooFewSpeakersError) as error:
        raise SystemExit(str(error)) from error
    print(f"{options.data} scenes: train {len(train)}, held out {len(scenes)}")
    network = cast(ConcatFusion, assemble(options))
    best = train_phases(network, options, train, scenes, named)

    held_out = HeldOutScenes(scenes, options.labels)
    logits = held_out.logits(network)
    temperature = fit_temperature(logits, held_out.targets)
    probs = held_out.probabilities(logits / temperature)
    figures = report(probs, held_out.labels)
    heard = {scene.speaker for scene in (*train, *scenes)}.union(*(part.info.heard for part in options.parts))
    info = ArtefactInfo(
        options.name, "fusion", options.model, options.option, temperature, options.labels, options.framing.size,
        options.framing.channels, options.framing.geometry, tuple(sorted(heard)),
        sharpening=fit_sharpening(probs, held_out.labels, held_out.scenes),
    )  # fmt: skip
    finish(network, info, figures, options, best, notes(options, train, scenes))


def notes(options: argparse.Namespace, train: Sequence[Scene], held_out: Sequence[Scene]) -> dict[str, str]:
    """Return what the card says of the data."""
    told = {} if len(options.labels) == len(LABELS) else {"Labels": ", ".join(options.labels)}
    if options.parts:
        names = " and ".join(f"`{part.info.name}`" for part in options.parts)
        told["Started from"] = f"{names}, {'then trained with the rest' if options.finetune else 'left as they are'}"
    elif options.pretrained:
        told["Started from"] = "published weights of both networks"
    heard, judged = ({scene.speaker for scene in scenes} for scenes in (train, held_out))
    known = judged.intersection(*([options.parts[0].info.heard] if options.parts else [()]))
    if options.synthetic:
        data = (
            f"synthetic: {len(train)} clips of {len(heard)} speakers of RAVDESS, each with faces of FER-2013 (usage "
            "Training) of the same label, drawn at random; no two of them belong to one person"
        )
        licence = "RAVDESS is CC BY-NC-SA 4.0, FER-2013 for research: these weights are for non-commercial use"
        kind = f"synthetic pairs of {', '.join(sorted(judged))} and faces of FER-2013, {options.usage}"
    else:
        data_set = catalogue.find(options.data)
        data = f"{data_set.title}: {len(train)} films of {len(heard)} speakers"
        licence = f"the data are {data_set.licence}: that goes for these weights as well"
        kind = f"{len(held_out)} films of {len(judged)} speakers who are in none of those trained on"
    flatters = "so they flatter a little"
    if known:
        voice = options.parts[0].info.name
        flatters = f"and `{voice}` was trained on or chosen by {len(known)} of these speakers, so they flatter"
    return told | {
        "Data": data,
        "Licence": licence,
        "Protocol": f"{chosen(options)} on {kind}, which the figures below (1 s windows) are of, {flatters}",
    }


if __name__ == "__main__":
    main()
