"""Train a face network on FER-2013 (usage Training), choosing its epoch on usage PublicTest.

python -m scripts.train_face --fer2013 DIR
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models import crop
from models.artefact import ArtefactInfo
from models.augment_face import augment_faces
from models.datasets import fer2013
from models.labels import LABELS
from models.metrics import report, top_k, uar
from models.publish import card_table, publish
from models.registry import build
from models.torch_engine import Calibrated, fit_temperature
from models.training import Batch, Recipe, fit, mixup, soft_targets
from scripts.provenance import command_line

SMALL_SIDE = 40
"""Side of the crops in the first epochs: two thirds of the time, and what they teach holds at full size as well
(progressive resizing, Touvron et al. 2019, arXiv 1906.06423)."""


def batches(
    faces: fer2013.Faces, soft: Tensor, recipe: Recipe, epoch: int, balance: float, side: int | None
) -> Iterator[Batch]:
    """Yield an epoch of augmented batches of the pictures and their targets `soft` [N, 7].

    `balance` 0 draws as the data lie, 1 draws all labels alike.
    """
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
    counts = np.bincount(faces.labels, minlength=len(LABELS)).clip(min=1)
    weights = torch.from_numpy((1.0 / counts[faces.labels]) ** balance)
    order = torch.multinomial(weights, len(faces), replacement=balance > 0, generator=generator)
    images = torch.from_numpy(faces.images)
    for chunk in order.split(recipe.batch_size)[: steps(faces, recipe)]:
        crops = augment_faces(images[chunk, None].float(), generator, side)
        crops, targets = mixup(crops, soft[chunk], recipe.mixup, generator)
        yield crops.contiguous(memory_format=torch.channels_last), targets


def steps(faces: fer2013.Faces, recipe: Recipe) -> int:
    """Return the number of whole batches in an epoch."""
    return max(1, len(faces) // recipe.batch_size)


@torch.no_grad()
def logits_of(network: nn.Module, faces: fer2013.Faces) -> Tensor:
    """Return logits [N, 7], one row a picture."""
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for chunk in torch.from_numpy(faces.images[:, None]).split(256):
        crops = chunk.float().to(device, memory_format=torch.channels_last)
        parts.append(network(crops).cpu())
    return torch.cat(parts)


def _digest(path: Path | None) -> str | None:
    """Return what names a file's content, so that a run is not taken up with another one."""
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Parse the command line, train, and leave the network in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with train/ and test/, or fer2013.csv")
    parser.add_argument("--run", type=Path, help="folder for checkpoints and curves (default: runs/NAME)")
    parser.add_argument("--name", default="fer_resnet", help="of the artefact")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder for the artefact")
    parser.add_argument("--width", type=int, default=40)
    parser.add_argument("--start", type=Path, help="artefact (.pt) of the same network whose weights to go on from")
    parser.add_argument("--teacher", type=Path, help="artefact (.pt) whose answers are a part of the targets")
    parser.add_argument("--trust", type=float, default=0.3, help="how large a part")
    parser.add_argument("--small", type=float, default=0.6, help="share of the epochs with small crops")
    parser.add_argument("--compile", action="store_true", help="compile the network: worth it for long runs")
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--balance", type=float, default=0.4, help="0: as the data lie, 1: all labels alike")
    parser.add_argument("--mixup", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes all")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = Recipe(
        epochs=options.epochs,
        batch_size=options.batch_size,
        lr=options.lr,
        mixup=options.mixup,
        seed=options.seed,
        device=options.device,
    )
    torch.manual_seed(recipe.seed)
    held_out = fer2013.load(options.fer2013, "test")
    train = fer2013.without_duplicates(fer2013.load(options.fer2013, "train"), held_out)
    print(f"train {len(train)}, held out {len(held_out)}")
    network_options = {"width": options.width}
    network = build("face_resnet", network_options)
    if options.start:
        network.load_state_dict(Calibrated.load(options.start).network.state_dict())
    network.to(memory_format=torch.channels_last)
    soft = soft_targets(torch.from_numpy(train.labels), len(LABELS), recipe.label_smoothing)
    if options.teacher:
        teacher = Calibrated.load(options.teacher)
        taught = torch.softmax(logits_of(teacher.network, train) / teacher.info.temperature, dim=1)
        soft = torch.lerp(soft, taught, options.trust)

    def evaluate(candidate: nn.Module) -> dict[str, float]:
        probs = logits_of(candidate, held_out).softmax(dim=1).numpy()
        return {"top1": top_k(probs, held_out.labels, 1), "uar": uar(probs, held_out.labels)}

    best = fit(
        network,
        lambda epoch: batches(
            train, soft, recipe, epoch, options.balance, SMALL_SIDE if epoch < options.small * recipe.epochs else None
        ),
        steps(train, recipe), evaluate, recipe, options.run or Path("runs", options.name),
        {
            "network": network_options, "balance": options.balance, "pictures": [len(train), len(held_out)],
            "start": _digest(options.start), "teacher": _digest(options.teacher), "trust": options.trust,
            "small": options.small,
        },
        compiled=options.compile,
    )  # fmt: skip
    print(best)
    logits, labels = logits_of(network, held_out), torch.from_numpy(held_out.labels)
    temperature = fit_temperature(logits, labels)
    figures = report(torch.softmax(logits / temperature, dim=1).numpy(), held_out.labels)
    neutral = (logits / temperature).log_softmax(dim=1)[labels == LABELS.index("neutral")].mean(dim=0).softmax(dim=0)
    info = ArtefactInfo(
        options.name, "face", "face_resnet", network_options, size=fer2013.SIZE, channels=1, geometry=crop.FER2013,
        temperature=temperature, neutral=tuple(neutral.tolist()),
    )  # fmt: skip
    publish(
        network, info, figures,
        options.weights, command_line(), {
            "Data": f"FER-2013, usage Training, {len(train)} pictures (those that `test` has too left out)",
            "Licence": "FER-2013 is for research: these weights are for non-commercial use",
            "Protocol": f"epoch and temperature chosen on the {len(held_out)} pictures of the split `test` (usage "
                        "PublicTest in fer2013.csv), which the figures below are of, so they flatter a little; "
                        "`scripts.train_face` never reads usage PrivateTest",
            "Time": f"{best['seconds'] / 60:.0f} minutes, epoch {best['epoch'] + 1:.0f} kept",
        },
    )  # fmt: skip
    print("\n".join(card_table(figures)))


if __name__ == "__main__":
    main()
