"""Blend the weights of two face artefacts, one of which was trained on from the other, and publish the mixture.

python -m scripts.blend OLD.pt NEW.pt --fer2013 DIR [--share 0.5] [--name NAME]

Between a network and what further training made of it lie networks that keep what the first one knew of other pictures
and most of what the second one learnt (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903). Batch norms are estimated anew
on training pictures, the temperature and the neutral answer on held-out ones.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from models.datasets import fer2013
from models.datasets.faces import without_duplicates
from models.datasets.layout import DataLayoutError
from models.face_batches import FaceCrops
from models.torch_engine import Calibrated
from models.training import Recipe, blend
from scripts.forebears import forebear
from scripts.option_values import file_name, share
from scripts.places import check_folder, check_free
from scripts.recalibrate import judged_by_fer2013, publish_recalibrated

BATCHES = 24
"""Of 128 training pictures, for the batch norms."""


def estimate_norms(network: nn.Module, train: FaceCrops) -> None:
    """Estimate the batch norms of a network anew, on augmented training pictures."""
    epoch = train.epoch(torch.zeros(len(train), 1), Recipe(mixup=0.0), number=0, balance=0.0, side=None)
    update_bn([crops for _, (crops, _) in zip(range(BATCHES), epoch, strict=False)], network)
    network.eval()


def main() -> None:
    """Parse the command line, blend, and publish the artefact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="artefact (.pt) that training went on from")
    parser.add_argument("new", type=Path, help="artefact (.pt) that it led to")
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with train/ and test/, or fer2013.csv")
    parser.add_argument("--share", type=share, default=0.5, help="of the new one (default: %(default)s)")
    parser.add_argument("--name", type=file_name, help="of the artefact (default: the new one's)")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder for the artefact")
    parser.add_argument("--overwrite", action="store_true", help="replace an artefact of that name")
    options = parser.parse_args()
    old, new = judged_by_fer2013(options.old), judged_by_fer2013(options.new)
    check_free(options.weights, options.name or new.info.name, overwrite=options.overwrite)
    try:
        train, held_out = fer2013.load(options.fer2013, "train"), fer2013.load(options.fer2013, "test")
    except DataLayoutError as error:
        raise SystemExit(str(error)) from error
    info = new.info
    if (old.info.network, old.info.options, old.info.labels) != (info.network, info.options, info.labels):
        raise SystemExit(f"{options.old} and {options.new} are not of one network")
    check_folder(options.weights)
    train = without_duplicates(train, held_out)
    new.network.load_state_dict(blend(old.network.state_dict(), new.network.state_dict(), options.share))
    estimate_norms(new.network, FaceCrops(train, info.labels, info.size, info.channels))
    blended = Calibrated(new.network, replace(info, name=options.name or info.name)).eval()
    publish_recalibrated(
        blended, train, held_out, options.weights, {
            "Protocol": f"epochs, share and temperature chosen on {held_out.told}, which the figures below are of, so "
                        "they flatter a little",
            "Blended": f"{options.share:g} of the way from {options.old.name} to {options.new.name}",
        }, [forebear(options.old), forebear(options.new)],
    )  # fmt: skip


if __name__ == "__main__":
    main()
