"""The networks by name: what can be trained here, and how a saved artefact is built again.

Libraries that a network needs beyond PyTorch (timm, transformers) are imported when it is built.
"""

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, get_args

from torch import nn

from models.labels import LABELS
from models.networks.catalogue import CREMA_D, FACES, VOICES
from models.networks.concat import ConcatFusion
from models.networks.entry import Entry, Input, Kind, OptionError, Weights
from models.networks.hub import PretrainedError
from models.training import Recipe

__all__ = ["Entry", "Input", "Kind", "OptionError", "PretrainedError", "UnknownNetworkError", "Weights",
           "build", "entry", "list_models"]  # fmt: skip


class UnknownNetworkError(LookupError):
    """No network has that name."""


def _concat(
    voice: str = "wav2vec2",
    face: str = "resnet50",
    voice_options: Mapping[str, Any] | None = None,
    face_options: Mapping[str, Any] | None = None,
    hidden: int = 256,
    dropout: float = 0.3,
    classes: int = len(LABELS),
    pretrained: bool = False,
) -> nn.Module:
    """Build feature fusion of a voice network and a face network, both by name and with their own options."""
    ears, eyes = entry(voice, "voice"), entry(face, "face")
    if pretrained and not (ears.pretrained or eyes.pretrained):
        raise PretrainedError(f"nobody publishes weights for {voice} or {face}: build with pretrained=False")
    return ConcatFusion(
        ears.build(voice_options, pretrained=pretrained and ears.pretrained),
        eyes.build(face_options, pretrained=pretrained and eyes.pretrained),
        hidden, dropout, classes,
    )  # fmt: skip


FUSIONS: Final = (
    Entry(
        "concat", "fusion", _concat, Input(waveform=True, size=224, channels=3),
        source="system E: concatenated features, fully connected", licence="that of the two networks", labels=CREMA_D,
        recipe=Recipe(epochs=40, batch_size=32, lr=5e-4, mixup=0.0),
        finetuning=(
            Recipe(epochs=5, batch_size=32, lr=1e-3, mixup=0.0), Recipe(epochs=20, batch_size=16, lr=3e-5, mixup=0.0),
        ),
        weights=Weights("that of each of the two networks", "that of each", "that of each"),
        tiny={"voice": "audio_bilstm", "voice_options": {"channels": 32, "hidden": 32},
              "face": "mini_xception", "hidden": 32},
    ),
)  # fmt: skip

_ENTRIES: Final = {known.name: known for known in (*VOICES, *FACES, *FUSIONS)}


def list_models(kind: str | None = None, pattern: str = "*") -> list[str]:
    """Return the names of the networks, sorted.

    Args:
        kind: `voice`, `face` or `fusion`; None for all.
        pattern: With wildcards, e.g. `mobile*`.

    Raises:
        ValueError: There is no such kind.
    """
    if kind is not None and kind not in get_args(Kind):
        raise ValueError(f"no kind {kind!r} of networks; there are {', '.join(get_args(Kind))}")
    return sorted(
        known.name for known in _ENTRIES.values() if kind in (None, known.kind) and fnmatchcase(known.name, pattern)
    )


def entry(name: str, kind: Kind | None = None) -> Entry:
    """Return what is known of a network.

    Raises:
        UnknownNetworkError: No network, or none of that kind, has that name; the message offers near ones.
    """
    names = list_models(kind)
    if name not in names:
        raise UnknownNetworkError(_unknown(name, kind, names))
    return _ENTRIES[name]


def build(network: str, options: Mapping[str, Any], *, pretrained: bool = False) -> nn.Module:
    """Build a network that gives logits [B, classes].

    Raises:
        UnknownNetworkError: No network has that name.
        OptionError: It takes no such option.
        PretrainedError: Its published weights cannot be had.
    """
    return entry(network).build(options, pretrained=pretrained)


def _unknown(name: str, kind: Kind | None, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    offered = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    return f"no {kind + ' ' if kind else ''}network {name!r}: {offered}"
