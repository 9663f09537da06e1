"""The training loop that all networks share: AMP, EMA, cosine schedule, early stopping, resume, curves."""

import csv
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from models.checkpoint import NAME, UNKNOWN, Origin, check, read, write

Kept = Literal["best", "last"]
"""Which epoch's weights a training ends with: the best by what is held out, or the last."""

Batch = tuple[Tensor | tuple[Tensor, ...], Tensor]
"""Inputs [B, ...], one or several, and target probabilities [B, classes]."""


class DivergedError(RuntimeError):
    """The network has learnt nothing but infinities."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: everything that is not the network or the data."""

    epochs: int = 40
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 2.0
    ema_decay: float = 0.998
    label_smoothing: float = 0.1
    mixup: float = 0.2
    patience: int = 12
    seed: int = 0
    device: str = "auto"

    def torch_device(self) -> torch.device:
        """Return the device to train on: with `auto`, CUDA where there is one."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Turn labels [B] into smoothed one-hot targets [B, classes] (Szegedy et al. 2016)."""
    one_hot = nn.functional.one_hot(labels, classes).float()
    return one_hot * (1.0 - smoothing) + smoothing / classes


def mixup(inputs: Tensor, targets: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend each example with another one (Zhang et al. 2018, arXiv 1710.09412); alpha 0 changes nothing."""
    if alpha <= 0:
        return inputs, targets
    # A Beta(alpha, alpha) draw, as the share of two Gamma(alpha) draws; torch's Beta takes no generator.
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=generator)
    share = float(gammas[0] / gammas.sum().clamp_min(1e-12))
    share = max(share, 1.0 - share)
    other = torch.randperm(len(inputs), generator=generator).to(inputs.device)
    return torch.lerp(inputs[other], inputs, share), torch.lerp(targets[other], targets, share)


def blend(old: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return weights that lie `share` of the way from the old ones to the new ones; counters are the new ones'.

    So do the statistics of batch norms: estimate them anew (`scripts.blend` does) where the two are far apart.

    Between a network and what further training made of it lie networks that keep what the first one knew of other
    examples and most of what the second one learnt (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903).
    """
    return {
        name: torch.lerp(old[name], values, share) if values.is_floating_point() else values
        for name, values in new.items()
    }


def fit(
    network: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    batches_per_epoch: int,
    evaluate: Callable[[nn.Module], dict[str, float]],
    recipe: Recipe,
    run_dir: Path,
    about: dict[str, Any],
    *,
    keep: Kept = "best",
    compiled: bool = False,
    origin: Origin = UNKNOWN,
) -> dict[str, float]:
    """Train `network` in place; it ends on the CPU with the EMA weights of its best epoch by `uar`, or of its last.

    Parts all of whose parameters are frozen (they require no gradient) stay as they are, batch statistics included,
    and drop nothing out.

    Writes `last.pt` (all state, each epoch), `metrics.csv` and `curves.png` to `run_dir`. A run that was
    killed goes on from `last.pt`: each epoch's batches depend on the seed and the epoch alone.

    Args:
        network: Maps a batch of inputs to logits [B, classes].
        batches: From the epoch's number to its batches.
        batches_per_epoch: How many those are, for the schedule and the progress bar.
        evaluate: From the averaged network to metrics, `uar` among them, on data held out from training.
        recipe: The hyperparameters.
        run_dir: Where the run's files go.
        about: What else makes this run what it is (data, split, network options): a checkpoint of another one is
            refused, since going on from it would show the network its own test data.
        keep: Few people held out choose an epoch by chance, and their quiet recordings cannot say which is best in
            noise.
        compiled: Whether to compile the network first: minutes of waiting, then a fifth less time (needs a C++
            compiler).
        origin: This command and this code; what took a run up again is kept beside what started it (`origin_of`).

    Returns:
        The metrics of the epoch that is kept, with `epoch` (from 1 on) and the run's `seconds`.

    Raises:
        OtherRunError: `run_dir` holds a checkpoint of another run.
        DamagedRunError: It holds one that cannot be read.
        DivergedError: The loss is no number any more; the checkpoint is of the epoch before.
    """
    from models.plots import plot_curves  # matplotlib takes a second, and who serves by PyTorch comes by here

    run_dir.mkdir(parents=True, exist_ok=True)
    device = recipe.torch_device()
    network.to(device)
    average = AveragedModel(network, multi_avg_fn=_moving_average(recipe.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe.weight_decay), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(recipe, batches_per_epoch))
    forward = torch.compile(network) if compiled else network
    history: list[dict[str, float]] = []
    best: dict[str, float] = {}
    best_state: dict[str, Tensor] = {}

    last = run_dir / NAME
    identity = {**asdict(recipe), **about, **({} if keep == "best" else {"keep": keep})}
    if last.is_file():
        state = read(last, device)
        check(last, state["identity"], identity)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history, best, best_state = state["history"], state["best"], state["best_state"]
        origin = Origin(state["command"], tuple(dict.fromkeys((*state["commits"], *origin.commits))))
        tqdm.write(f"going on after epoch {len(history)} of {recipe.epochs}, from {last}")

    for epoch in range(len(history), recipe.epochs):
        if history and epoch + 1 - max(history, key=_uar)["epoch"] > recipe.patience:
            break
        started = time.monotonic()
        torch.manual_seed(recipe.seed * 10_007 + epoch)  # dropout and whatever else draws inside the network
        _begin_training(network)
        loss = _train_epoch(
            network, forward, average, optimizer, schedule,
            tqdm(batches(epoch), total=batches_per_epoch, desc=f"epoch {epoch + 1}/{recipe.epochs}", leave=False),
            device,
        )  # fmt: skip
        if not math.isfinite(loss):
            raise DivergedError(f"the training diverged in epoch {epoch + 1}: its loss is {loss}; try a lower --lr")
        average.module.eval()
        metrics = evaluate(average.module)
        row = {"epoch": epoch + 1, "loss": loss, "seconds": time.monotonic() - started, **metrics}
        history.append(row)
        if keep == "last" or not best or row["uar"] > best["uar"]:
            best = row
            best_state = {key: value.detach().clone() for key, value in average.module.state_dict().items()}
        tqdm.write("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        write(last, {
            "identity": identity, "network": network.state_dict(), "average": average.state_dict(),
            "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
            "history": history, "best": best, "best_state": best_state,
            "command": origin.command, "commits": list(origin.commits),
        })  # fmt: skip
        write_csv(run_dir / "metrics.csv", history)
        plot_curves(run_dir / "curves.png", history)
    network.load_state_dict(best_state)
    network.cpu().eval()
    return {**best, "seconds": sum(row["seconds"] for row in history)}


def _uar(row: Mapping[str, float]) -> float:
    return row["uar"]


def _begin_training(network: nn.Module) -> None:
    """Put what learns into training mode, the rest into that of use: frozen statistics stand still, all is seen."""
    network.eval()
    for module in network.modules():
        learning = [parameter.requires_grad for parameter in module.parameters()]
        if learning and all(learning):
            module.train()


def _train_epoch(
    network: nn.Module,
    forward: Callable[..., Tensor],
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    batches: Iterable[Batch],
    device: torch.device,
) -> float:
    total, count = 0.0, 0
    for inputs, targets in batches:
        with torch.autocast(device.type, torch.bfloat16, enabled=_has_bf16(device)):  # it needs no loss scaling
            given = (inputs,) if isinstance(inputs, Tensor) else inputs
            logits = forward(*(part.to(device) for part in given))
        loss = -(targets.to(device) * logits.float().log_softmax(dim=1)).sum(dim=1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += loss.item()
        count += 1
    return total / max(count, 1)


def _has_bf16(device: torch.device) -> bool:
    """Tell whether bf16 is fast there: CPUs that lack it imitate it, at a third of the speed of float32."""
    return device.type != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Average exponentially, with a shorter memory at first, so that the random start is soon forgotten."""

    @torch.no_grad()
    def average(averaged: Iterable[Tensor], current: Iterable[Tensor], count: Tensor | int) -> None:
        weight = 1.0 - min(decay, (1.0 + int(count)) / (10.0 + int(count)))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, weight)
            else:
                old.copy_(new)

    return average


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Leave biases and norm scales out of weight decay."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _cosine(recipe: Recipe, batches_per_epoch: int) -> Callable[[int], float]:
    warmup = max(1, round(recipe.warmup_epochs * batches_per_epoch))
    total = max(warmup + 1, recipe.epochs * batches_per_epoch)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / (total - warmup))
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress))

    return factor


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """Write metrics, one row an epoch."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
