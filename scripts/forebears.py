"""What a network learns from beside its data: what that was trained on, and under which terms, is told in its card."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from models.artefact import ArtefactError
from models.networks.entry import Weights
from models.registry import entry
from models.torch_engine import Calibrated


class Forebear(NamedTuple):
    """A network that another one starts from or is taught by: its name, its data, and their terms, in words."""

    name: str
    data: str
    licence: str


def forebear(path: Path) -> Forebear:
    """Return what an artefact (.pt) says of its data; of one that does not say it, what the card beside it says.

    Raises:
        SystemExit: It cannot be read.
    """
    try:
        info = Calibrated.load(path).info
    except ArtefactError as error:
        raise SystemExit(str(error)) from error
    beside = path.with_suffix(".md")
    card = beside.read_text("utf-8", "replace").splitlines() if beside.is_file() else []

    def told(heading: str) -> str:
        found = (line.removeprefix(f"- {heading}: ") for line in card if line.startswith(f"- {heading}: "))
        return next(found, f"see the card of {path.name}")

    return Forebear(info.name, info.data or told("Data"), info.licence or told("Licence"))


def forebears(options: argparse.Namespace) -> list[Forebear]:
    """Return what a training command learns from beside its data, each once: artefacts, or published weights.

    Raises:
        SystemExit: An artefact cannot be read.
    """
    named = [getattr(options, name, None) for name in ("start", "voice", "face")]
    paths = dict.fromkeys(path for path in [*named, *getattr(options, "teacher", ())] if path is not None)
    published = _published(options) if options.pretrained else []
    weights = [Forebear(f"huggingface.co/{each.hub}", each.data, each.licence) for each in published]
    return weights + [forebear(path) for path in paths]


def inherited(notes: Mapping[str, str], learnt_from: Iterable[Forebear]) -> dict[str, str]:
    """Return a card's lines by heading, those on data and licence with what the forebears add to them."""
    told = dict(notes)
    for each in learnt_from:
        for heading, text in (("Data", each.data), ("Licence", each.licence)):
            if text not in told[heading]:
                told[heading] += f"; and, by way of `{each.name}`, which it learnt from: {text}"
    return told


def _published(options: argparse.Namespace) -> list[Weights]:
    """Return the published weights of the command's network, or those of the two networks of feature fusion."""
    networks = [options.known]
    if options.known.kind == "fusion":
        usual = {"voice": "wav2vec2", "face": "resnet50"}
        networks = [entry(options.option.get(kind, name)) for kind, name in usual.items()]
    return [network.weights for network in networks if network.weights is not None]
