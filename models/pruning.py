"""Fewer channels for a trained face network: those are kept that its answers depend on most.

A channel counts by how much the loss of an example would change without it, to first order (Molchanov et al. 2017,
arXiv 1611.06440). What is left is trained on, best with the whole network as its teacher.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.networks.face import FaceResNet, ResidualBlock


def prune(network: FaceResNet, narrow: FaceResNet, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give a narrower network the weights of those channels of `network` that count most.

    The blocks of a stage, which are added up, keep the same ones. Batch norms keep the statistics of what they saw
    before: estimate them anew.

    Args:
        network: The trained one, in evaluation mode.
        narrow: Of the same blocks and strides, and no wider; its weights are replaced.
        batches: Crops [B, 1, H, W] and the numbers of their labels [B].

    Raises:
        ValueError: `narrow` has another number of blocks, or is wider.
    """
    blocks, narrow_blocks = _blocks(network), _blocks(narrow)
    if len(blocks) != len(narrow_blocks):
        raise ValueError(f"a network of {len(narrow_blocks)} blocks cannot be had from one of {len(blocks)}")
    counts = _importance(network, batches)

    def kept(parts: Sequence[nn.Module], narrow_part: nn.Module) -> Tensor:
        of_all = torch.stack([counts[part] for part in parts]).sum(dim=0)
        if (channels := _channels(narrow_part)) > len(of_all):
            raise ValueError(f"{channels} channels cannot be had from {len(of_all)}")
        return of_all.topk(channels).indices.sort().values

    inputs = kept([network.stem[2]], narrow.stem[0])
    _take(narrow.stem[0], network.stem[0], inputs)
    _take(narrow.stem[1], network.stem[1], inputs)
    for block, narrow_block in zip(blocks, narrow_blocks, strict=True):
        stage = [other for other in blocks if _channels(other.body[3]) == _channels(block.body[3])]
        outputs, inner = kept(stage, narrow_block.body[3]), kept([block.body[2]], narrow_block.body[0])
        gate, narrow_gate = block.body[5].get_submodule("gate"), narrow_block.body[5].get_submodule("gate")
        hidden = kept([gate.get_submodule("2")], narrow_gate.get_submodule("1"))
        for name, rows, columns in (
            ("body.0", inner, inputs), ("body.1", inner, None), ("body.3", outputs, inner), ("body.4", outputs, None),
            ("body.5.gate.1", hidden, outputs), ("body.5.gate.3", outputs, hidden),
            ("shortcut.1", outputs, inputs), ("shortcut.2", outputs, None),
        ):  # fmt: skip
            if not name.startswith("shortcut") or isinstance(block.shortcut, nn.Sequential):
                _take(narrow_block.get_submodule(name), block.get_submodule(name), rows, columns)
        inputs = outputs
    _take(narrow.head[3], network.head[3], None, inputs)


def _blocks(network: FaceResNet) -> list[ResidualBlock]:
    return [block for block in network.stages if isinstance(block, ResidualBlock)]


def _channels(part: nn.Module) -> int:
    """Return how many channels a layer makes."""
    return len(next(part.parameters()))


def _importance(network: FaceResNet, batches: Iterable[tuple[Tensor, Tensor]]) -> Mapping[nn.Module, Tensor]:
    """Return, of each layer whose channels can be left out, how much each of them counts [channels]."""
    parts = [network.stem[2]]
    for block in _blocks(network):
        parts += [block, block.body[2], block.get_submodule("body.5.gate.2")]
    made: dict[nn.Module, Tensor] = {}
    hooks = [part.register_forward_hook(lambda part, _, output: made.update({part: output})) for part in parts]
    counts: dict[nn.Module, Tensor] = {}
    try:
        for crops, labels in batches:
            loss = nn.functional.cross_entropy(network(crops), labels, reduction="sum")
            slopes = torch.autograd.grad(loss, [made[part] for part in parts])
            for part, slope in zip(parts, slopes, strict=True):
                change = (made[part].detach() * slope).sum(dim=(2, 3)).square().sum(dim=0)
                counts[part] = counts.get(part, torch.zeros(())) + change
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _take(narrow: nn.Module, whole: nn.Module, rows: Tensor | None, columns: Tensor | None = None) -> None:
    """Give a layer the weights of these outputs and inputs of a wider one; None stands for all."""

    def part(values: Tensor) -> Tensor:
        if rows is not None and values.ndim > 0:
            values = values[rows]
        return values if columns is None or values.ndim < 2 else values[:, columns]

    narrow.load_state_dict({name: part(values) for name, values in whole.state_dict().items()})
