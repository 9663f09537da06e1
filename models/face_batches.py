"""What a face network is trained on and judged by: framed, augmented crops of some of the labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.augment_face import augment_faces
from models.datasets.faces import FaceSet, Index
from models.labels import LABELS
from models.training import Recipe, mixup

SMALL = 5 / 6
"""Side of the crops in the first epochs, of their full side: two thirds of the time, and what they teach holds at full
size as well (progressive resizing, Touvron et al. 2019, arXiv 1906.06423)."""


@dataclass(frozen=True, slots=True)
class FaceCrops:
    """Pictures as a network takes them.

    Attributes:
        faces: The pictures, all of them of `labels`.
        labels: What the network tells apart, in the order of its logits.
        size: Side of its crops in pixels.
        channels: Of its crops.
    """

    faces: FaceSet
    labels: tuple[str, ...]
    size: int
    channels: int

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def targets(self) -> Tensor:
        """The number of each picture's label among `labels` [N]."""
        places = [self.labels.index(label) if label in self.labels else -1 for label in LABELS]
        return torch.tensor(places)[torch.from_numpy(self.faces.labels)]

    def steps(self, recipe: Recipe) -> int:
        """Return the number of whole batches in an epoch."""
        return max(1, len(self) // recipe.batch_size)

    def read(self, index: Index) -> tuple[Tensor, Index]:
        """Return the crops [K, channels, size, size] of an index [M], and the index [K] of those that can be read."""
        pictures, labels = self.faces.batch(index, self.size, self.channels)
        if len(labels) < len(index):  # one at a time, to see which are missing
            readable = [
                len(self.faces.batch(index[i : i + 1], self.size, self.channels)[1]) > 0 for i in range(len(index))
            ]
            index = index[np.array(readable, np.bool_)]
        crops = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        return crops.to(torch.float32, memory_format=torch.contiguous_format), index

    def epoch(
        self, soft: Tensor, recipe: Recipe, number: int, balance: float, side: int | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch of augmented batches and their targets; follows the seed and the epoch's number alone.

        Args:
            soft: The targets of all pictures [N, C].
            recipe: For the batch size, the mixup and the seed.
            number: Of the epoch.
            balance: 0 draws as the data lie, 1 draws all labels alike.
            side: Of the crops; None for `size`.
        """
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number)
        labels = self.faces.labels
        counts = np.bincount(labels, minlength=len(LABELS)).clip(min=1)
        weights = torch.from_numpy((1.0 / counts[labels]) ** balance)
        order = torch.multinomial(weights, len(self), replacement=balance > 0, generator=generator)
        for chunk in order.split(recipe.batch_size)[: self.steps(recipe)]:  # type: ignore[no-untyped-call]
            crops, kept = self.read(chunk.numpy())
            if not len(kept):
                continue
            crops = augment_faces(crops, generator, side)
            crops, targets = mixup(crops, soft[torch.from_numpy(kept)], recipe.mixup, generator)
            yield crops.contiguous(memory_format=torch.channels_last), targets

    @torch.no_grad()
    def logits(self, network: nn.Module) -> tuple[Tensor, Index]:
        """Return logits [K, C], and the index [K] of the pictures that could be read: all, as a rule."""
        network.eval()
        device = next(network.parameters()).device
        parts, readable = [], []
        for chunk in torch.arange(len(self)).split(256):  # type: ignore[no-untyped-call]
            crops, kept = self.read(chunk.numpy())
            if len(kept):
                parts.append(network(crops.to(device, memory_format=torch.channels_last)).cpu())
                readable.append(kept)
        return torch.cat(parts), np.concatenate(readable)
