"""What a trained artefact says of itself, in a `.pt` and in an `.onnx` alike."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from models.crop import CropGeometry
from models.inference import Traits
from models.labels import LABELS

METADATA_KEY = "artefact"
IN_INTEGERS = "_int8"
"""Ending of the name of an artefact that was made of another one, in 8-bit integers."""


class ArtefactError(ValueError):
    """A file is not an artefact of this project, or not of the kind asked for."""


def check_labels(labels: Sequence[str]) -> None:
    """Check what a network is to tell apart.

    Raises:
        ValueError: It is not two or more of the seven labels, each once.
    """
    if unknown := [label for label in labels if label not in LABELS]:
        raise ValueError(f"no label {', '.join(map(str, unknown))}: there are {', '.join(LABELS)}")
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"the labels {', '.join(labels) or '(none)'} are not two or more different ones")


@dataclass(frozen=True, slots=True)
class ArtefactInfo:
    """The contract of a model file.

    Attributes:
        name: the artefact's name, as in the settings and on the wire.
        kind: `voice`, `face` or `fusion`.
        network: name of the network in `models.registry`.
        options: how to build that network.
        temperature: by which logits are divided before the softmax (Guo et al. 2017).
        labels: of the network's logits, in order: two or more of the seven.
        size: side of a face crop in pixels.
        channels: of a face crop.
        geometry: framing of a face crop relative to the detector's box.
        heard: speakers whom a voice or fusion model was trained on or chosen by, e.g. `ravdess-02`.
        adaptive: whether a voice model takes a reference beside the waveform.
        sharpening: see `models.inference.Traits`.
        neutral: likewise [7]; empty where nobody measured it.
        data: what it was trained on, in words for a card; empty in artefacts from before they said it.
        licence: under which terms, likewise.
    """

    name: str
    kind: str
    network: str
    options: dict[str, Any]
    temperature: float = 1.0
    labels: tuple[str, ...] = LABELS
    size: int = 0
    channels: int = 0
    geometry: CropGeometry | None = None
    heard: tuple[str, ...] = ()
    adaptive: bool = False
    sharpening: float = 0.0
    neutral: tuple[float, ...] = ()
    data: str = ""
    licence: str = ""

    @property
    def traits(self) -> Traits:
        """What a model of this artefact says of its answers."""
        known = tuple(label for label in LABELS if label in self.labels)
        return Traits(self.sharpening, self.neutral or None, self.adaptive, known)

    def framing(self, path: Path) -> CropGeometry:
        """Return how faces are to be framed for the model in the file `path`.

        Raises:
            ArtefactError: It does not say so.
        """
        if self.geometry is None or not self.size or not self.channels:
            raise ArtefactError(f"{path} does not say how faces are to be framed")
        return self.geometry

    def to_json(self) -> str:
        """Return the JSON that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ArtefactInfo":
        """Read what `to_json` wrote.

        Raises:
            ArtefactError: The text does not describe an artefact, or says what is not known here, labels among it.
        """
        try:
            said = json.loads(text)
            unknown = sorted(said.keys() - {field.name for field in fields(cls)})
            if unknown:
                raise ArtefactError(f"it says {', '.join(unknown)}, which only a newer version of this program knows")
            geometry = said.pop("geometry")
            info = cls(
                **{**said, **{name: tuple(said.get(name, ())) for name in ("labels", "heard", "neutral")}},
                geometry=None if geometry is None else CropGeometry(**geometry),
            )
            classes = info.options.get("classes", len(LABELS))
        except ArtefactError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtefactError(f"not an artefact's description: {error}") from error
        try:
            check_labels(info.labels)
        except ValueError as error:
            raise ArtefactError(f"{info.name}: {error}") from error
        if classes != len(info.labels):
            raise ArtefactError(f"{info.name} has {len(info.labels)} labels for {classes} outputs")
        if len(info.neutral) not in (0, len(LABELS)):
            raise ArtefactError(f"{info.name} has a neutral answer of {len(info.neutral)} labels")
        return info
