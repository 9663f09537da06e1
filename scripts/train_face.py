"""Train a face network of the registry, choosing its epoch on pictures held out from training.

python -m scripts.train_face --fer2013 DIR --name my_face
python -m scripts.train_face --model resnet18 --labels angry,happy,neutral,sad --data fer2013 DIR
python -m scripts.train_face --model mobilevit_xxs --pretrained --data affectnet DIR

Without --model it is `face_resnet`; the recipe is the network's own where nothing else is said. --pretrained starts
from published weights, in two phases: the head alone, then everything at a low rate; --epochs and --lr then take one
number for both, or two. FER-2013 is trained on by usage Training and judged by PublicTest, AffectNet by its `val`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import crop
from models.artefact import ArtefactError, ArtefactInfo, check_labels
from models.datasets import catalogue, fer2013, own, photographs
from models.datasets.faces import FaceSet, Joined, with_labels, without_duplicates
from models.datasets.layout import DataLayoutError
from models.detection import FaceDetector
from models.distillation import Teachers
from models.face_batches import SMALL, FaceCrops
from models.inference import Float32
from models.labels import LABELS
from models.metrics import report, top_k, uar
from models.registry import UnknownNetworkError, entry
from models.torch_engine import Calibrated, fit_temperature, in_wire_order
from models.training import Recipe, fit, soft_targets
from scripts.option_values import any_number, file_name, share, whole_number
from scripts.training_options import (
    add_options,
    add_teachers,
    beginnings,
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

MODEL, DATA = "face_resnet", "fer2013"
FRAMINGS = {"fer2013": crop.FER2013, "affectnet": crop.AFFECTNET, "own": crop.FER2013}
"""How the faces of each data set lie in their pictures."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--fer2013", type=Path, help="folder with train/ and test/, or fer2013.csv")
    source.add_argument(
        "--data", nargs=2, metavar=("NAME", "DIR"), help=f"one of {', '.join(FRAMINGS)}, and its folder"
    )
    add_options(parser, "face", MODEL)
    add_teachers(parser)
    parser.add_argument(
        "--teach-once",
        action="store_true",
        help="teachers see each picture once, as it is and mirrored, not each time as the pupil does: less time",
    )
    parser.add_argument(
        "--name", type=file_name, help="of the artefact (default: fer_resnet for the usual run, else the network's)"
    )
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder for the artefact")
    parser.add_argument("--width", type=whole_number, help="as --option width=N (face_resnet: as --start, or 40)")
    parser.add_argument(
        "--size", type=whole_number, help="side of the crops in pixels (default: as the network was made for)"
    )
    parser.add_argument("--small", type=share, help="share of the epochs with small crops (face_resnet: 0.6, else 0)")
    parser.add_argument("--compile", action="store_true", help="compile the network: worth it for long runs")
    parser.add_argument(
        "--photographs",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="photographs in label folders, cut as the live path does, to train on as well",
    )
    parser.add_argument(
        "--photographs-per-label", type=any_number, default=0, metavar="N", help="of each folder (0: all)"
    )
    parser.add_argument("--balance", type=share, default=0.4, help="0: as the data lie, 1: all labels alike")
    return parser


def arguments() -> argparse.Namespace:
    """Parse the command line; `known` is the network's entry, `phases` its recipes, `labels` what to tell apart."""
    parser = _parser()
    options = parser.parse_args()
    options.data, options.root = (
        (DATA, options.fer2013) if options.fer2013 else (options.data[0], Path(options.data[1]))
    )
    try:
        options.known = entry(options.model, "face")
        data_set = catalogue.find(options.data)
        options.data = data_set.name
        options.labels = options.labels or data_set.labels
        check_labels(options.labels)
    except (UnknownNetworkError, ValueError) as error:
        parser.error(str(error))
    if options.data not in FRAMINGS:
        parser.error(f"{options.data} has no faces: there are {', '.join(FRAMINGS)}")
    if options.teach_once and not options.teacher:
        parser.error("--teach-once is for a --teacher")
    ours = options.model == MODEL
    options.name = options.name or ("fer_resnet" if ours and options.data == DATA else options.model)
    options.run = options.run or Path("runs", options.name)
    options.small = (0.6 if ours else 0.0) if options.small is None else options.small
    complete(options, _usual_options(options, parser.error), parser.error)
    takes = options.known.input.size
    options.size = options.size or crop_side(takes, options.option.get("size", takes), parser.error)
    return options


def _usual_options(options: argparse.Namespace, refuse: Callable[[str], object]) -> dict[str, Any]:
    """Return the network's options where the command names none: those of the artefact that it starts from."""
    if options.width:
        return {"width": options.width}
    if options.start:
        try:
            start = Calibrated.load(options.start).info
        except ArtefactError as error:
            refuse(str(error))
        else:
            return start.options if start.network == options.model else {}
    return {"width": 40} if options.model == MODEL else {}


def load(options: argparse.Namespace) -> tuple[FaceCrops, FaceCrops]:
    """Return the pictures to train on, and those held out."""
    labels, known = options.labels, options.known
    held_out, train = _faces(options, "validation"), _faces(options, "train")
    train = without_duplicates(train, held_out)
    besides = [without_duplicates(_photographs(folder, options), held_out) for folder in options.photographs]
    if len(labels) < len(LABELS):
        train, held_out = with_labels(train, labels), with_labels(held_out, labels)
    for faces in besides:
        train = Joined(train, faces)
    if missing := [label for label in labels if not (train.labels == LABELS.index(label)).any()]:
        there = set(labels).difference(missing)
        words = f"no picture to train on of {', '.join(missing)}{those_there(labels, there)}"
        raise DataLayoutError(f"{options.root} has {words}")
    if not len(held_out):
        raise DataLayoutError(f"{options.root} has no picture of {', '.join(labels)} to judge by")
    return tuple(FaceCrops(faces, labels, options.size, known.input.channels) for faces in (train, held_out))  # type: ignore[return-value]


def _faces(options: argparse.Namespace, part: catalogue.Part) -> FaceSet:
    if options.data == "own":  # cut here, at once to the size that the network takes
        return own.faces(options.root, dict(catalogue.find("own").face_splits)[part], side=options.size)
    return catalogue.load_faces(options.data, options.root, part)


def _photographs(folder: Path, options: argparse.Namespace) -> FaceSet:
    framing = crop.Framing(options.size, 3, FRAMINGS[options.data])
    detector = FaceDetector()
    found = photographs.load(folder, framing, detector, options.photographs_per_label, options.seed)
    detector.close()
    return with_labels(found, options.labels)


def build_for(options: argparse.Namespace, train: FaceCrops) -> nn.Module:
    """Build the network, and see that it takes such crops."""
    network = build(options)
    for side in {train.size, _small(train)} if options.small else {train.size}:
        try:
            with torch.inference_mode():
                network.eval()(torch.zeros(1, train.channels, side, side))
        except RuntimeError as error:
            raise SystemExit(f"{options.model} does not take crops of {side} pixels: {error}") from error
    return network.to(memory_format=torch.channels_last)


def identity(options: argparse.Namespace, train: FaceCrops, held_out: FaceCrops, phase: str | None) -> dict[str, Any]:
    """Return what, besides its recipe, makes this run what it is; what is as it always was goes without saying."""
    said = {"model": options.model, "labels": list(options.labels), "data": options.data, "size": train.size,
            "pretrained": options.pretrained, "phase": phase}  # fmt: skip
    usual = {"model": MODEL, "labels": list(LABELS), "data": DATA, "size": fer2013.SIZE,
             "pretrained": False, "phase": None}  # fmt: skip
    roots = [options.root, *options.photographs]
    return {
        **examples(train.faces.names(roots), held_out.faces.names(roots)),
        "network": options.option, "balance": options.balance, "pictures": [len(train), len(held_out)],
        "start": digest(options.start), "teacher": [digest(path) for path in options.teacher] or None,
        "trust": options.trust, "small": options.small, **({"teach_once": True} if options.teach_once else {}),
        **{key: value for key, value in said.items() if value != usual[key]},
    }  # fmt: skip


def train_phases(
    network: nn.Module, options: argparse.Namespace, train: FaceCrops, held_out: FaceCrops
) -> dict[str, float]:
    """Train the network; return the epoch that is kept, and all the seconds."""

    def evaluate(candidate: nn.Module) -> dict[str, float]:
        logits, kept = held_out.logits(candidate)
        probs, labels = _probabilities(logits, held_out), held_out.faces.labels[kept]
        return {"top1": top_k(probs, labels, 1), "uar": uar(probs, labels)}

    def phase(name: str | None, recipe: Recipe, run: Path) -> dict[str, float]:
        about = identity(options, train, held_out, name)
        soft = soft_targets(train.targets, len(train.labels), recipe.label_smoothing)
        teachers = Teachers(options.teacher, "face", train.labels, recipe.torch_device(), train.channels)
        if options.teach_once:
            said = teachers.about_pictures(train, run / "taught.npz", about["examples to train on"])
            soft = torch.lerp(soft, torch.where(said.isnan(), soft, said), options.trust)

        def batches(epoch: int) -> Any:
            side = _small(train) if epoch < options.small * recipe.epochs else None
            drawn = train.epoch(soft, recipe, epoch, options.balance, side)
            return drawn if options.teach_once else teachers.teach(drawn, options.trust)

        return fit(
            network, batches, train.steps(recipe), evaluate, recipe, run, about,
            keep=options.keep, compiled=options.compile, origin=options.origin,
        )  # fmt: skip

    return in_phases(network, options, phase)


def _small(crops: FaceCrops) -> int:
    return max(1, round(SMALL * crops.size))


def _probabilities(logits: Tensor, crops: FaceCrops) -> Float32:
    probs: Float32 = in_wire_order(logits.softmax(dim=1), crops.labels).numpy()
    return probs


def main() -> None:
    """Train, calibrate, and publish the artefact."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    try:
        train, held_out = load(options)
    except DataLayoutError as error:
        raise SystemExit(str(error)) from error
    print(f"train {len(train)}, held out {len(held_out)}")
    network = build_for(options, train)
    best = train_phases(network, options, train, held_out)

    logits, kept = held_out.logits(network)
    true = held_out.targets[kept]
    temperature = fit_temperature(logits, true)
    figures = report(_probabilities(logits / temperature, held_out), held_out.faces.labels[kept])
    neutral: Tensor = torch.zeros(0)
    if "neutral" in options.labels and (rows := true == options.labels.index("neutral")).any():
        mean = (logits / temperature).log_softmax(dim=1)[rows].mean(dim=0).softmax(dim=0)
        neutral = in_wire_order(mean[None], options.labels)[0]
    info = ArtefactInfo(
        options.name, "face", options.model, options.option, labels=options.labels, size=train.size,
        channels=train.channels, geometry=FRAMINGS[options.data], temperature=temperature,
        neutral=tuple(neutral.tolist()),
    )  # fmt: skip
    finish(network, info, figures, options, best, notes(options, train, held_out))


def notes(options: argparse.Namespace, train: FaceCrops, held_out: FaceCrops) -> dict[str, str]:
    """Return what the card says of the data."""
    told = beginnings(options)
    folders = ", ".join(folder.name for folder in options.photographs)
    besides = f" and of photographs ({folders})" if folders else ""
    if isinstance(held_out.faces, fer2013.Faces):
        faces = held_out.faces
        final = "; `scripts.train_face` never reads usage PrivateTest" if faces.public else ""
        return told | {
            "Data": f"FER-2013, {len(train)} pictures of usage Training (those that `test` has too left out){besides}",
            "Licence": "FER-2013 is for research: these weights are for non-commercial use",
            "Protocol": f"{chosen(options)} on {faces.told}, which the figures below are of, so they flatter a "
                        f"little{final}",
        }  # fmt: skip
    data_set = catalogue.find(options.data)
    return told | {
        "Data": f"{data_set.title}, {len(train)} pictures of the training split{besides}",
        "Licence": f"the data are {data_set.licence}: that goes for these weights as well",
        "Protocol": f"{chosen(options)} on the {len(held_out)} pictures of the validation split, which the "
                    "figures below are of, so they flatter a little",
    }  # fmt: skip


if __name__ == "__main__":
    main()
