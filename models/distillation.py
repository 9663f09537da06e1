"""Learning from trained networks: their answers about the very crops that the pupil sees are a part of its targets."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models.artefact import ArtefactError
from models.torch_engine import Calibrated


class Teachers:
    """Trained face networks, whose mean answer teaches.

    They see each crop as the pupil does, augmented and mixed, and not once as it lies in the data: with targets that
    follow the augmentation a pupil comes closer to its teachers (Beyer et al. 2022, arXiv 2106.05237). A crop of
    another side than a teacher takes is scaled to it.

    Args:
        paths: Their artefacts (`.pt`).
        labels: What the pupil tells apart, in the order of its targets: the teachers' too.
        channels: Of the crops.
        device: Where they run.

    Raises:
        ArtefactError: One is no artefact of a face network, or one of other labels or channels.
    """

    def __init__(self, paths: Sequence[Path], labels: tuple[str, ...], channels: int, device: torch.device) -> None:
        self._networks: list[Calibrated] = []
        for path in paths:
            teacher = Calibrated.load(path, "face")
            if teacher.info.labels != labels or teacher.info.channels != channels:
                raise ArtefactError(
                    f"{path} does not tell {', '.join(labels)} apart, in this order, in pictures of {channels} channels"
                )
            self._networks.append(teacher.to(device))
        self._device = device

    def teach(self, batches: Iterable[tuple[Tensor, Tensor]], trust: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches, a part `trust` of the targets replaced by the teachers' mean answer."""
        for crops, targets in batches:
            yield crops, torch.lerp(targets, self._answer(crops), trust) if self._networks else targets

    @torch.inference_mode()
    def _answer(self, crops: Tensor) -> Tensor:
        answers = []
        for teacher in self._networks:
            info, seen = teacher.info, crops.to(self._device)
            if crops.shape[-1] != info.size:
                seen = nn.functional.interpolate(seen, (info.size, info.size), mode="bilinear", align_corners=False)
            answers.append(torch.softmax(teacher.network(seen) / info.temperature, dim=1).cpu())
        return torch.stack(answers).mean(dim=0)
