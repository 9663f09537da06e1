"""Make a narrower network of the shipped kind of a trained one, to be trained on: fewer channels, less time for a face.

python -m scripts.prune weights/wide.pt --width 32 --fer2013 DIR --name narrow --weights runs
python -m scripts.train_face --fer2013 DIR --start runs/narrow.pt --teacher weights/wide.pt --teach-once --name narrow

The channels are kept that the answers to training pictures depend on most (`models.pruning`); batch norms are estimated
anew on training pictures, the temperature and the neutral answer on held-out ones.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from models.datasets import fer2013
from models.datasets.faces import without_duplicates
from models.datasets.layout import DataLayoutError
from models.face_batches import FaceCrops
from models.networks.face import FaceResNet
from models.pruning import prune
from models.torch_engine import Calibrated
from scripts.blend import estimate_norms
from scripts.forebears import forebear
from scripts.option_values import file_name, whole_number
from scripts.places import check_folder, check_free
from scripts.recalibrate import judged_by_fer2013, publish_recalibrated

PICTURES = 3000
"""Training pictures, drawn at random, by which channels are judged."""


def pictures(train: FaceCrops) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield training pictures as they are, and the numbers of their labels."""
    drawn = np.random.default_rng(0).permutation(len(train))[:PICTURES]
    for index in np.array_split(drawn, -(-len(drawn) // 100)):
        crops, kept = train.read(index)
        yield crops, train.targets[kept]


def main() -> None:
    """Parse the command line, prune, and publish the artefact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", type=Path, help="trained `face_resnet` (.pt)")
    parser.add_argument("--width", type=whole_number, required=True, help="channels of the first stage")
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with train/ and test/, or fer2013.csv")
    parser.add_argument("--name", type=file_name, required=True, help="of the new artefact")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder for the new artefact")
    parser.add_argument("--overwrite", action="store_true", help="replace an artefact of that name")
    options = parser.parse_args()
    check_free(options.weights, options.name, overwrite=options.overwrite)
    trained = judged_by_fer2013(options.artefact)
    if not isinstance(trained.network, FaceResNet):
        raise SystemExit(f"{options.artefact} holds {trained.info.network}, and no face_resnet")
    try:
        train, held_out = fer2013.load(options.fer2013, "train"), fer2013.load(options.fer2013, "test")
    except DataLayoutError as error:
        raise SystemExit(str(error)) from error
    check_folder(options.weights)
    info = replace(trained.info, name=options.name, options=trained.info.options | {"width": options.width})
    train = without_duplicates(train, held_out)
    crops = FaceCrops(train, info.labels, info.size, info.channels)
    narrow = FaceResNet(**info.options)
    try:
        prune(trained.network, narrow, pictures(crops))
    except ValueError as error:
        raise SystemExit(str(error)) from error
    estimate_norms(narrow, crops)
    publish_recalibrated(
        Calibrated(narrow, info).eval(), train, held_out, options.weights, {
            "Protocol": f"temperature chosen on {held_out.told}, which the figures below are of",
            "Pruned": f"from {options.artefact.name}, and not trained since",
        }, [forebear(options.artefact)],
    )  # fmt: skip


if __name__ == "__main__":
    main()
