"""What the training commands share: the network and its options, where it starts, its recipe in one phase or two."""

import argparse
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from torch import nn

from models.artefact import ArtefactError, ArtefactInfo
from models.checkpoint import DamagedRunError, Origin, OtherRunError, origin_of
from models.labels import LABELS
from models.metrics import Report
from models.plots import plot_confusion
from models.publish import card_table, publish
from models.registry import Entry, Kind, PretrainedError, entry, list_models
from models.torch_engine import Calibrated
from models.training import DivergedError, Kept, Recipe
from scripts.forebears import forebears, inherited
from scripts.option_values import any_number, device, label_list, option, rate, share, whole_number
from scripts.places import check_folder, check_free, tell_written
from scripts.provenance import command_line, commit, made_by

STOPPED = 130
"""Exit status of a command that Ctrl-C ended."""
CHANGES = ("batch_size", "mixup", "label_smoothing", "patience")
"""What a command may change of every phase's recipe, beside epochs and learning rates."""


def crop_side(usual: int, own: object, refuse: Callable[[str], object]) -> int:
    """Return the side of the crops in pixels: the usual one, or the network's `own` where that is smaller."""
    if not isinstance(own, int) or own < 1:
        refuse(f"size={own} is no side in pixels")
        return usual
    return min(usual, own)


def add_options(parser: argparse.ArgumentParser, kind: Kind, model: str) -> None:
    """Add what every network of a kind is trained with; `model` is the usual one."""
    parser.add_argument("--model", default=model, help=f"one of {', '.join(list_models(kind))}")
    parser.add_argument(
        "--labels",
        type=label_list,
        help="what to tell apart, e.g. angry,happy,neutral,sad (default: all that the kind of data has)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an artefact of that name")
    parser.add_argument("--run", type=Path, help="folder for checkpoints and curves (default: runs/NAME)")
    parser.add_argument("--option", type=option, action="append", default=[], help="NAME=VALUE, of the network")
    parser.add_argument("--pretrained", action="store_true", help="start from published weights, in two phases")
    parser.set_defaults(finetune=False)  # in two phases as well; for commands that start from artefacts
    parser.add_argument("--start", type=Path, help="artefact (.pt) of the same network whose weights to go on from")
    recipe = parser.add_argument_group(
        "recipe",
        "Defaults are the network's own (`models.networks.catalogue`); a run prints its recipe when it starts.",
    )
    recipe.add_argument("--epochs", type=whole_number, nargs="+", help=_usual(model, "epochs"))
    recipe.add_argument("--batch-size", type=whole_number, help=_usual(model, "batch_size"))
    recipe.add_argument("--lr", type=rate, nargs="+", help=_usual(model, "lr", "the highest learning rate"))
    recipe.add_argument("--mixup", type=rate, help=_usual(model, "mixup", "of its Beta distribution; 0 mixes nothing"))
    recipe.add_argument("--label-smoothing", type=share, help=_usual(model, "label_smoothing"))
    recipe.add_argument(
        "--patience", type=whole_number, metavar="N",
        help=_usual(model, "patience", "end after so many epochs without a better UAR"),
    )  # fmt: skip
    parser.add_argument(
        "--keep",
        choices=get_args(Kept),
        default="best",
        help="the epoch that is best on what is held out (default), or the last",
    )
    parser.add_argument("--seed", type=any_number, default=0)
    parser.add_argument("--threads", type=any_number, default=0, help="CPU threads; 0 takes all")
    parser.add_argument(
        "--device", type=device, default="auto", help="cpu, cuda ... (default: CUDA where there is one)"
    )


def _usual(model: str, name: str, what: str = "") -> str:
    """Return the help on a part of the recipe, with what the usual network's own says."""
    usual = f"{model}: {getattr(entry(model).recipe, name)}"
    return f"{what} ({usual})" if what else usual


def add_teachers(parser: argparse.ArgumentParser) -> None:
    """Add `--teacher` and `--trust`."""
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="artefact (.pt) whose answers about each example are a part of its targets; several are averaged",
    )
    parser.add_argument("--trust", type=share, default=0.3, help="how large a part, 0 to 1")


def complete(options: argparse.Namespace, usual: Mapping[str, Any], refuse: Callable[[str], object]) -> None:
    """Set `option` to the network's options, `phases` to its recipes, `origin` to this command and this code.

    `forebears` are what it learns from beside data. What it cannot be trained with is refused.

    Args:
        options: From `add_options`, with `known` (the network's entry) and `labels` as a tuple.
        usual: Options of the network where the command does not say otherwise.
        refuse: Is told what is wrong.
    """
    options.option = {**usual, **dict(options.option)}
    if unknown := sorted(options.option.keys() - set(options.known.options)):
        refuse(f"{options.model} takes no option {', '.join(unknown)}: it takes {', '.join(options.known.options)}")
    for name in options.known.counts & options.option.keys():
        if isinstance(value := options.option[name], int | float) and value < 1:
            refuse(f"{name}={value}: it is a number of things, from 1 on")
    if len(options.labels) != len(LABELS):
        options.option["classes"] = len(options.labels)
    if options.pretrained and not options.known.pretrained:
        refuse(f"nobody publishes weights for {options.model}")
    options.phases = recipes(options, refuse)
    check_free(options.weights, options.name, overwrite=options.overwrite)
    options.forebears = forebears(options)
    options.origin = Origin(command_line(), (commit(),))


def recipes(options: argparse.Namespace, refuse: Callable[[str], object]) -> list[Recipe]:
    """Return the network's recipe, or those of its two phases, with what the command line says otherwise."""
    known: Entry = options.known
    plain = list(known.finetuning if options.pretrained or options.finetune else (known.recipe,))
    for name in ("epochs", "lr"):
        said = getattr(options, name) or []
        if len(said) not in {0, 1, len(plain)}:
            refuse(f"--{name} takes one number{f', or {len(plain)}' if len(plain) > 1 else ''}")
        for phase, value in enumerate(said * len(plain) if len(said) == 1 else said):
            plain[phase] = replace(plain[phase], **{name: value})
    changes = {name: getattr(options, name) for name in CHANGES if getattr(options, name) is not None}
    return [replace(recipe, **changes, seed=options.seed, device=options.device) for recipe in plain]


def build(options: argparse.Namespace) -> nn.Module:
    """Build the network, from published weights or from those of another run where that was asked for."""
    try:
        network: nn.Module = options.known.build(options.option, pretrained=options.pretrained)
        if options.start:
            start = Calibrated.load(options.start)
            if start.info.network != options.model:
                raise ArtefactError(f"{options.start} is a {start.info.network}, and no {options.model} to go on from")
            network.load_state_dict(start.network.state_dict())
    except PretrainedError as error:
        raise SystemExit(f"{error}; for this command: leave --pretrained out") from error
    except ArtefactError as error:
        raise SystemExit(str(error)) from error
    except (RuntimeError, TypeError, ValueError) as error:  # what networks raise for values that they do not take
        raise SystemExit(f"{options.model} cannot be built like this: {error}") from error
    return network


def in_phases(
    network: nn.Module, options: argparse.Namespace, train: Callable[[str | None, Recipe, Path], dict[str, float]]
) -> dict[str, float]:
    """Train the network, the head alone first if there are two phases; return the kept epoch, and all the seconds.

    `train` is given each phase's name (None where there is only one), its recipe and its folder.
    """
    for folder in (options.run, options.weights):
        check_folder(folder)
    seconds, best = 0.0, {}
    for (name, run), recipe in zip(_runs(options).items(), options.phases, strict=True):
        for parameter_name, parameter in network.named_parameters():
            parameter.requires_grad_(name != "head" or parameter_name.startswith("head."))
        parts = ", ".join(f"{part.replace('_', ' ')} {value}" for part, value in asdict(recipe).items())
        print(f"recipe{f' of {name}' if name else ''}: {parts}, {options.keep} epoch kept")
        try:
            best = train(name, recipe, run)
        except (OtherRunError, DamagedRunError, DivergedError, ArtefactError) as error:
            raise SystemExit(str(error)) from error
        except KeyboardInterrupt:
            print(f"\nStopped. The same command goes on after the last whole epoch, from {run}.")
            raise SystemExit(STOPPED) from None
        print(f"kept: {', '.join(f'{name} {value:.4g}' for name, value in best.items())}")
        seconds += best["seconds"]
    return {**best, "seconds": seconds}


def _runs(options: argparse.Namespace) -> dict[str | None, Path]:
    """Return the folder of each phase by its name, None where there is only one."""
    return {None: options.run} if len(options.phases) == 1 else {name: options.run / name for name in ("head", "all")}


def finish(
    network: nn.Module,
    info: ArtefactInfo,
    figures: Report,
    options: argparse.Namespace,
    best: Mapping[str, float],
    notes: Mapping[str, str],
) -> None:
    """Publish what was trained, with a card that says how; keep its figures with the run as well, and print them."""
    (options.run / "figures.json").write_text(json.dumps(figures.as_dict(), indent=1) + "\n")
    plot_confusion(options.run / "confusion.png", figures.confusion)
    took = {"Time": f"{best['seconds'] / 60:.0f} minutes, epoch {best['epoch']:.0f} kept"}
    told = {**inherited(notes, options.forebears), **took}
    origins = [origin_of(run) for run in _runs(options).values()]
    made = made_by(origins[0].command, (commit for origin in origins for commit in origin.commits))
    publish(network, info, figures, options.weights, made, told)
    print(*card_table(figures), sep="\n")
    tell_written(options.weights, info.name, info.kind)


def those_there(labels: Iterable[str], there: Collection[str]) -> str:
    """Return what to do where there are examples of some labels only."""
    known = [label for label in labels if label in there]
    return f": to tell the others apart, --labels {','.join(known)}" if len(known) > 1 else ""


def beginnings(options: argparse.Namespace) -> dict[str, str]:
    """Return what a card says of the labels and of published weights, where either is not the usual."""
    told = {} if len(options.labels) == len(LABELS) else {"Labels": ", ".join(options.labels)}
    if options.pretrained:
        weights = options.known.weights
        told["Started from"] = f"huggingface.co/{weights.hub} ({weights.licence}), trained on {weights.data}"
    return told


def chosen(options: argparse.Namespace) -> str:
    """Return what a card says was chosen by what is held out."""
    return "temperature chosen" if options.keep == "last" else "epoch and temperature chosen"


def examples(train: Iterable[str], held_out: Iterable[str]) -> dict[str, str]:
    """Return what a run's identity says of what it trains on and of what it holds out, by what names each of them."""
    return {"examples to train on": _digest_lines(train), "examples held out": _digest_lines(held_out)}


def _digest_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def digest(path: Path | None) -> str | None:
    """Return what names a file's content, so that a run is not taken up with another one."""
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
