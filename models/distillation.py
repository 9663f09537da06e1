"""Learning from trained networks: what they say about each example that a pupil gets is a part of its targets."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.artefact import ArtefactError
from models.face_batches import FaceCrops
from models.torch_engine import Calibrated
from models.training import Batch


class Teachers:
    """Trained networks, whose mean answer teaches.

    Of faces they get each example as the pupil does, augmented and mixed, unless they are asked once about each as it
    lies in the data: with targets that follow the augmentation a pupil comes closer to its teachers (Beyer et al. 2022,
    arXiv 2106.05237), which takes their time at each step. A crop of another side than a teacher takes is scaled to it.
    Voices they hear without what a room, noise and a telephone do to them, so that the pupil learns to say in noise
    what they say in quiet (Li et al. 2017, arXiv 1708.05466).

    Args:
        paths: Their artefacts (`.pt`).
        kind: The pupil's, `voice` or `face`: the teachers' too.
        labels: What the pupil tells apart, in the order of its targets: the teachers' too.
        device: Where they run.
        channels: Of a face network's crops.

    Attributes:
        heard: Speakers whom they were trained on or chosen by, and the pupil so too, in a way.

    Raises:
        ArtefactError: One is no artefact of that kind, or one of other labels or channels.
    """

    def __init__(
        self, paths: Sequence[Path], kind: str, labels: Sequence[str], device: torch.device, channels: int = 0
    ) -> None:
        self._device = device
        self._teachers = [Calibrated.load(path, kind) for path in paths]
        for path, teacher in zip(paths, self._teachers, strict=True):
            info = teacher.to(device).info
            if info.labels != tuple(labels):
                raise ArtefactError(f"{path} does not tell {', '.join(labels)} apart, in this order")
            if info.channels != channels:
                raise ArtefactError(f"{path} takes pictures of {info.channels} channels, not of {channels}")
        self._classes = len(labels)
        self._who = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        self.heard = frozenset(speaker for teacher in self._teachers for speaker in teacher.info.heard)

    def teach(self, batches: Iterable[Batch], trust: float) -> Iterator[Batch]:
        """Yield the batches, a part `trust` of the targets replaced by the teachers' mean answer."""
        for inputs, targets in batches:
            yield inputs, self.correct(targets, inputs, trust)

    def correct(self, targets: Tensor, inputs: Tensor | tuple[Tensor, ...], trust: float) -> Tensor:
        """Return the targets [B, C], a part `trust` of them replaced by the teachers' mean answer to the inputs."""
        return torch.lerp(targets, self._answer(inputs), trust) if self else targets

    def about_pictures(self, pictures: FaceCrops, memory: Path, named: str) -> Tensor:
        """Return the mean answer to each picture as it lies in the data and mirrored [N, C]; NaN of the unreadable.

        Args:
            pictures: Asked about once each.
            memory: Keeps the answers for when a run is taken up again (`.npz`); written anew where others answer, or
                about other pictures.
            named: What names these pictures.
        """
        asked = [*self._who, named]
        if memory.exists():
            with np.load(memory) as kept:
                if kept["who"].tolist() == asked:
                    return torch.from_numpy(kept["answers"])
        answers = torch.full((len(pictures), self._classes), torch.nan)
        chunks = torch.arange(len(pictures)).split(256)  # type: ignore[no-untyped-call]
        for chunk in tqdm(chunks, "teachers", leave=False):
            crops, kept_rows = pictures.read(chunk.numpy())
            if len(kept_rows):
                answers[kept_rows] = (self._answer(crops) + self._answer(crops.flip(3))) / 2
        memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = memory.with_suffix(".tmp.npz")  # a run that is killed meanwhile leaves nothing that cannot be read
        np.savez(fresh, answers=answers.numpy(), who=np.array(asked))
        fresh.replace(memory)
        return answers

    def __bool__(self) -> bool:
        return bool(self._teachers)

    @torch.inference_mode()
    def _answer(self, inputs: Tensor | tuple[Tensor, ...]) -> Tensor:
        given = [part.to(self._device) for part in ((inputs,) if isinstance(inputs, Tensor) else inputs)]
        return torch.stack([_one(teacher, *given) for teacher in self._teachers]).mean(dim=0).cpu()


def _one(teacher: Calibrated, example: Tensor, *known: Tensor) -> Tensor:
    """Return what one says, in the order of its own labels; those that can be told are told who speaks."""
    info = teacher.info
    if info.kind == "face" and example.shape[-1] != info.size:
        example = nn.functional.interpolate(example, (info.size, info.size), mode="bilinear", align_corners=False)
    logits: Tensor = teacher.network(example, *(known if info.adaptive else ()))
    return torch.softmax(logits / info.temperature, dim=1)
