"""What is known of a network by its name: how to build it, what it takes, whose it is, how to train it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from models.labels import LABELS
from models.networks.hub import PretrainedError
from models.training import Recipe

Kind = Literal["voice", "face", "fusion"]


class OptionError(ValueError):
    """A network was given an option that it does not take."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a network takes.

    Attributes:
        waveform: whether it takes waveforms [B, N] in -1..1 (16 kHz mono, 0.5 to 4 s). They come first.
        size: side of its face crops [B, channels, size, size] with values 0..255; 0 where it takes none.
        channels: of a face crop: 1 is grey, 3 is RGB.
    """

    waveform: bool = False
    size: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """Published weights that a network can start from, without a classifier.

    Attributes:
        hub: the repository on huggingface.co that publishes them.
        licence: theirs.
        data: what they were trained on.
    """

    hub: str
    licence: str
    data: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of the registry.

    Every network gives logits [B, classes] and has its classifier as the last layer with weights of `head`, an
    `nn.Sequential`: this is what a first phase of training leaves free, and what feature fusion takes away.

    Attributes:
        name: of the network, e.g. in an artefact.
        kind: what it is for.
        make: builds it from its options; takes `pretrained` where there are published weights.
        input: what it takes when built without options.
        source: the system or paper that it comes from.
        licence: of the code that defines the network.
        claim: what those say that it reaches, and on what; empty where they say nothing that can be compared.
        recipe: how to train it from scratch.
        finetuning: how to train it from published weights, one phase after the other: the head alone, then all of it.
        labels: what it told apart where it was published.
        weights: what `pretrained` loads; None where nobody published weights.
        tiny: options that make it small enough to test in seconds; they leave the architecture as it is.
    """

    name: str
    kind: Kind
    make: Callable[..., nn.Module]
    input: Input
    source: str
    licence: str
    recipe: Recipe
    claim: str = ""
    labels: tuple[str, ...] = LABELS
    weights: Weights | None = None
    finetuning: tuple[Recipe, ...] = ()
    tiny: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pretrained(self) -> bool:
        """Whether the network can start from published weights."""
        return self.weights is not None

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that `build` takes."""
        return tuple(name for name in inspect.signature(self.make).parameters if name != "pretrained")

    @property
    def counts(self) -> frozenset[str]:
        """The names of the options that are numbers of things: those whose usual value is a whole number."""
        usual = inspect.signature(self.make).parameters
        return frozenset(name for name in self.options if type(usual[name].default) is int)

    def parameters(self, options: Mapping[str, Any] | None = None) -> int:
        """Build the network to count its parameters, those of feature fusion with its two networks'."""
        return sum(values.numel() for values in self.build(options).parameters())

    def build(self, options: Mapping[str, Any] | None = None, *, pretrained: bool = False) -> nn.Module:
        """Build the network.

        Args:
            options: As its constructor documents them; `classes` is one of them everywhere.
            pretrained: Whether to start from published weights, fetched from their hub once and then kept in its cache.

        Raises:
            OptionError: It takes no option of that name.
            PretrainedError: There are no published weights, or the hub cannot be reached.
        """
        given = dict(options or {})
        if unknown := sorted(given.keys() - set(self.options)):
            raise OptionError(f"{self.name} takes no option {', '.join(unknown)}; it takes {', '.join(self.options)}")
        if not pretrained:
            return self.make(**given)
        if not self.pretrained:
            raise PretrainedError(f"nobody publishes weights for {self.name}: build it with pretrained=False")
        return self.make(**given, pretrained=True)
