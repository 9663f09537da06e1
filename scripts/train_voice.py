"""Train a voice network of the registry, choosing its epoch on speakers whom it never hears.

python -m scripts.train_voice --ravdess DIR [--savee DIR] [--tess DIR] --name my_voice
python -m scripts.train_voice --model cnn_mfcc --labels angry,happy,neutral,sad --data ravdess DIR --data crema_d DIR
python -m scripts.train_voice --model wav2vec2 --pretrained --data meld DIR --official

Without --model it is `audio_bilstm`; the recipe is the network's own where nothing else is said. --pretrained starts
from published weights, in two phases: the head alone, then everything at a low rate; --epochs and --lr then take one
number for both, or two.

Several data sets are joined. Each is split by speaker, a part of whom is left for a test of one's own; one of two
speakers (TESS) is trained on whole, and so are --savee and --tess. --official takes the published split of a data set
that has one (MELD's, which shares speakers). With --fold K (0-4) that fold of RAVDESS' actors is set aside, neither
trained on nor chosen by: five such runs, and `scripts.evaluate` on their artefacts, are a cross-validation by actor.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.artefact import ArtefactError, ArtefactInfo, check_labels
from models.datasets import catalogue, ravdess
from models.datasets.clips import Clip, read_clips, with_labels
from models.datasets.layout import DataLayoutError, name_file
from models.datasets.splits import SpeakerLeakError, Split, TooFewSpeakersError
from models.distillation import Teachers
from models.held_out import HeldOut
from models.labels import LABELS
from models.metrics import report
from models.pooling import fit_sharpening
from models.registry import UnknownNetworkError, entry
from models.torch_engine import Calibrated, fit_temperature
from models.training import Recipe, blend, fit
from models.voice_batches import Mix, Sounds, SpeechBatches, adaptive, set_population
from scripts.option_values import file_name, share, whole_number
from scripts.training_options import (
    add_options,
    add_teachers,
    beginnings,
    build,
    chosen,
    complete,
    digest,
    examples,
    finish,
    in_phases,
    those_there,
)

MODEL = "audio_bilstm"
SHAPE = {"channels": 128, "hidden": 128, "dropout": 0.2}
"""Its options where the command line says nothing else; it is adaptive as well."""
ACTORS = range(2, 21)
"""Of RAVDESS. 01 is the audio-visual check and 21-24 the final test; neither is ever trained on or chosen by."""


def fold_actors(fold: int) -> set[str]:
    """Return the speakers of a fold: every fifth man and every fifth woman of `ACTORS`."""
    men, women = [a for a in ACTORS if a % 2], [a for a in ACTORS if a % 2 == 0]
    return {f"ravdess-{actor:02d}" for actor in men[fold::5] + women[fold::5]}


def split(clips: Sequence[Clip], fold: int | None) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Split RAVDESS by speaker into training, validation (one man, one woman) and test (a fold, or nobody)."""
    test = set() if fold is None else fold_actors(fold)
    neighbours = sorted(fold_actors(0 if fold is None else (fold + 1) % 5))
    chosen = {next(s for s in neighbours if int(s[-2:]) % 2 == sex) for sex in (0, 1)}
    parts: tuple[list[Clip], list[Clip], list[Clip]] = ([], [], [])
    for clip in clips:
        parts[1 if clip.speaker in chosen else 2 if clip.speaker in test else 0].append(clip)
    return parts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, help="the same as --data ravdess DIR")
    parser.add_argument("--savee", type=Path, help="SAVEE's folder: more men to train on")
    parser.add_argument("--tess", type=Path, help="TESS' folder: two more women to train on")
    parser.add_argument(
        "--data", nargs=2, action="append", default=[], metavar=("NAME", "DIR"),
        help=f"one of {', '.join(catalogue.names('speech'))}, and its folder; may be given several times",
    )  # fmt: skip
    parser.add_argument("--official", action="store_true", help="take published splits where there are any")
    parser.add_argument("--fold", type=int, choices=range(5), help="set this fold of RAVDESS' actors aside")
    add_options(parser, "voice", MODEL)
    add_teachers(parser)
    parser.add_argument(
        "--name",
        type=file_name,
        help="of the artefact (default: the network's; NETWORK_foldK; NETWORK_DATA where RAVDESS has no part)",
    )
    parser.add_argument("--weights", type=Path, help="folder for the artefact (default: weights, or weights/folds)")
    for name, usual in SHAPE.items():
        kind = whole_number if isinstance(usual, int) else share
        parser.add_argument(f"--{name}", type=kind, help=f"the same as --option {name}=X ({MODEL}: {usual})")
    parser.add_argument("--batches", type=whole_number, default=60, help="batches in an epoch")
    parser.add_argument(
        "--known", type=share, default=0.5, dest="told", help="share of windows whose speaker is told, if adaptive"
    )
    parser.add_argument(
        "--share", type=share, default=1.0,
        help="with --start: how much of the way from there to where training ends the artefact goes (WiSE-FT)",
    )  # fmt: skip
    parser.add_argument("--non-speech", type=share, default=0.08, help="share of windows without a voice")
    return parser


def arguments() -> argparse.Namespace:
    """Parse the command line.

    `data` has the names and folders of the data sets that are split, `whole` of those that are only trained on;
    `known` is the network's entry, `phases` its recipes, `labels` what to tell apart.
    """
    parser = _parser()
    options = parser.parse_args()
    options.whole = [(name, getattr(options, name)) for name in ("savee", "tess") if getattr(options, name)]
    try:
        options.known = entry(options.model, "voice")
        options.data = [(catalogue.find(name).name, Path(root)) for name, root in options.data]
        if options.ravdess:
            options.data.insert(0, ("ravdess", options.ravdess))
        there = {label for name, _ in options.data + options.whole for label in catalogue.find(name).labels}
        options.labels = options.labels or tuple(label for label in LABELS if label in there)
        names = dict(options.data)
        if not names:
            parser.error("there is nothing to choose by: name a data set with --ravdess DIR or --data NAME DIR")
        check_labels(options.labels)
    except (UnknownNetworkError, ValueError) as error:
        parser.error(str(error))
    if silent := [name for name in names if name not in catalogue.names("speech")]:
        parser.error(f"{silent[0]} has no speech: there are {', '.join(catalogue.names('speech'))}")
    if options.fold is not None and "ravdess" not in names:
        parser.error("--fold is of RAVDESS' actors: there is no --ravdess DIR")
    if options.official and not any(catalogue.find(name).official_clips for name in names):
        parser.error(f"there is no published split of {', '.join(names)}")

    ours, has_neutral = options.model == MODEL, "neutral" in options.labels
    fold = "" if options.fold is None else f"_fold{options.fold}"
    others = "" if "ravdess" in names else "".join(f"_{name}" for name in names)
    options.name = options.name or f"{options.model}{others}{fold}"
    options.weights = options.weights or Path("weights/folds" if fold else "weights")
    options.run = options.run or Path("runs", options.name)
    usual = {"adaptive": has_neutral, **SHAPE} if ours else {}
    usual |= {name: getattr(options, name) for name in SHAPE if getattr(options, name) is not None}
    complete(options, usual, parser.error)
    if options.option.get("adaptive") and not has_neutral:
        parser.error("an adaptive network is told how people sound when neutral: neutral must be among its labels")
    if options.share < 1 and not options.start:
        parser.error("--share is of the way from --start, which is not said")
    if ours and options.patience is None:
        # Patience without end: the last epochs of a cosine are its best, and two validation actors too few to stop by.
        options.phases = [replace(recipe, patience=recipe.epochs) for recipe in options.phases]
    return options


def listed(options: argparse.Namespace) -> Split[Clip]:
    """List the clips of all data sets, of the labels that are to be told apart."""
    joined: Split[Clip] = Split([], [], [])
    parts = [_split(name, root, options) for name, root in options.data]
    parts += [Split(catalogue.find(name).clips(root), [], []) for name, root in options.whole]
    for part in parts:
        joined.train.extend(with_labels(part.train, options.labels))
        joined.validation.extend(with_labels(part.validation, options.labels))
        joined.test.extend(with_labels(part.test, options.labels))
    if not options.official:
        joined.check_speakers()
    there = {clip.label for clip in joined.train}
    if missing := [label for label in options.labels if label not in there]:
        raise DataLayoutError(
            f"there is no clip to train on of {', '.join(missing)}{those_there(options.labels, there)}"
        )
    if not joined.validation:
        raise DataLayoutError("there is no clip to choose by: it takes three speakers, or more of RAVDESS' actors")
    return joined


def _split(name: str, root: Path, options: argparse.Namespace) -> Split[Clip]:
    if name == "ravdess":
        return Split(*split(ravdess.clips(root, ACTORS), options.fold))
    data_set = catalogue.find(name)
    try:
        return catalogue.split_speech(name, root, official=options.official and data_set.official_clips is not None)
    except TooFewSpeakersError:
        return Split(data_set.clips(root), [], [])


def identity(
    options: argparse.Namespace, mix: Mix, clips: Split[Clip], heard: Sequence[str], phase: str | None
) -> dict[str, Any]:
    """Return what, besides its recipe, makes this run what it is; what is as it always was goes without saying."""
    said = {"model": options.model, "labels": list(options.labels), "official": options.official,
            "pretrained": options.pretrained, "start": digest(options.start), "phase": phase,
            "taught in quiet": [options.trust, *map(digest, options.teacher)] if options.teacher else None}  # fmt: skip
    usual = {"model": MODEL, "labels": list(LABELS), "official": False,
             "pretrained": False, "start": None, "phase": None, "taught in quiet": None}  # fmt: skip
    roots = [root for _, root in options.data + options.whole]
    train, held_out = ((name_file(clip.path, clip.label, roots) for clip in part)
                       for part in (clips.train, clips.validation))  # fmt: skip
    return {
        **examples(train, held_out),
        "fold": options.fold, "heard": heard, "network": options.option, "mix": asdict(mix),
        **{key: value for key, value in said.items() if value != usual[key]},
    }  # fmt: skip


def train_phases(
    network: nn.Module,
    options: argparse.Namespace,
    train: Sounds,
    held_out: HeldOut,
    clips: Split[Clip],
    heard: Sequence[str],
    teachers: Teachers,
) -> dict[str, float]:
    """Train the network; return the epoch that is kept, and all the seconds."""
    mix = Mix(options.batches, options.told, options.non_speech)

    def phase(name: str | None, recipe: Recipe, run: Path) -> dict[str, float]:
        drawn = SpeechBatches(train, recipe, mix, network, options.labels, teachers, options.trust)
        about = identity(options, mix, clips, heard, name)
        return fit(
            network, drawn.epoch, mix.batches, held_out.metrics, recipe, run, about,
            keep=options.keep, origin=options.origin,
        )  # fmt: skip

    if options.share == 1:
        return in_phases(network, options, phase)
    began = {name: values.clone() for name, values in network.state_dict().items()}
    kept = in_phases(network, options, phase)
    network.load_state_dict(blend(began, network.state_dict(), options.share))
    return kept


def _forebears(options: argparse.Namespace, set_aside: Sequence[Clip]) -> tuple[Teachers, frozenset[str]]:
    """Return the teachers, and whom they, and the network to go on from, were trained on or chosen by."""
    try:
        teachers = Teachers(options.teacher, "voice", options.labels, options.phases[0].torch_device())
        start = Calibrated.load(options.start, "voice").info.heard if options.start else ()
    except ArtefactError as error:
        raise SystemExit(str(error)) from error
    heard = teachers.heard.union(start)
    if known := sorted(heard & {clip.speaker for clip in set_aside}):
        raise SystemExit(f"what it learns from has heard speakers who are set aside: {', '.join(known)}")
    return teachers, heard


def main() -> None:
    """Train, calibrate, and publish the artefact."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    try:
        clips = listed(options)
    except (DataLayoutError, SpeakerLeakError) as error:
        raise SystemExit(str(error)) from error
    train, validation = list(read_clips(clips.train)), list(read_clips(clips.validation))
    teachers, heard_before = _forebears(options, clips.test)
    heard = sorted({clip.speaker for clip, _ in train + validation} | heard_before)
    print(f"clips: train {len(train)}, validation {len(validation)}, set aside {len(clips.test)}")
    network = build(options)
    if (listener := adaptive(network)) is not None and not options.start:
        set_population(listener, train)
    held_out = HeldOut(network, validation, options.labels)
    best = train_phases(network, options, train, held_out, clips, heard, teachers)

    logits = held_out.logits(network)
    temperature = fit_temperature(logits, torch.from_numpy(held_out.targets))
    probs = held_out.probs(logits / temperature)
    figures = report(probs, held_out.labels)
    info = ArtefactInfo(
        options.name, "voice", options.model, options.option, labels=options.labels, heard=tuple(heard),
        adaptive=listener is not None, temperature=temperature,
        sharpening=fit_sharpening(probs, held_out.labels, held_out.clips), neutral=held_out.neutral(probs),
    )  # fmt: skip
    finish(network, info, figures, options, best, notes(options, train, validation, heard_before))


def notes(
    options: argparse.Namespace, train: Sounds, validation: Sounds, heard_before: frozenset[str]
) -> dict[str, str]:
    """Return what the card says of the data."""
    told = beginnings(options)
    data_sets = [catalogue.find(name) for name, _ in options.data + options.whole]
    heard, judged = ({clip.speaker for clip, _ in sounds} for sounds in (train, validation))
    known = "never trained on"
    if heard & judged:
        known = "some of them trained on"
    elif heard_before & judged:
        known = "some of whom the network it learnt from was trained on or chosen by"
    return told | {
        "Data": f"{len(train)} clips of {len(heard)} speakers: {', '.join(each.title for each in data_sets)}",
        "Licence": f"{'; '.join(f'{each.title}: {each.licence}' for each in data_sets)}: "
                   "these terms go for these weights as well",
        "Protocol": f"{chosen(options)} on {', '.join(sorted(judged))}, {known}, which the figures below "
                    "(1 s windows) are of, so they flatter a little",
    }  # fmt: skip


if __name__ == "__main__":
    main()
