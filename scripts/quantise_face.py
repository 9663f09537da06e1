"""Write a face artefact in 8-bit integers beside the one in floating point, unless that costs too much accuracy.

python -m scripts.quantise_face NAME --fer2013 DIR
python -m scripts.quantise_face NAME --data own DIR

The data are what finds the integers' ranges and says what they cost: take those that it was trained on. It is served
by FACE_MODEL=NAME_int8, in about half the time.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from models.artefact import IN_INTEGERS, ArtefactError
from models.checksums import record_sum
from models.datasets import catalogue, fer2013, own
from models.datasets.faces import FaceSet, Index
from models.datasets.layout import DataLayoutError
from models.inference import FaceModel, Float32
from models.intervals import paired_interval
from models.metrics import report
from models.onnx_engine import OnnxFace
from models.publish import card_table
from models.quantise import quantise_face
from scripts.provenance import command_line, commit, made_by

PICTURES: Final = 256
"""Training pictures, drawn at random, by which the ranges are found."""
MOST_LOST: Final = 0.005
"""Of top-1 and of UAR that an artefact may lose; one that loses more is not kept."""


def answers(model: FaceModel, faces: FaceSet) -> tuple[Float32, Index]:
    """Return the probabilities [N, 7] and the labels [N] of all pictures that can be read."""
    parts = [faces.batch(np.arange(start, min(start + 64, len(faces))), model.size, model.channels)
             for start in range(0, len(faces), 64)]  # fmt: skip
    return np.concatenate([model.predict(crops) for crops, _ in parts]), np.concatenate([of for _, of in parts])


def load(name: str, root: Path, size: int) -> tuple[FaceSet, FaceSet, str]:
    """Return pictures of training, those held out, and what the latter are called.

    Raises:
        DataLayoutError: They are not there.
        UnknownDataSetError: There is no such data set of faces.
    """
    data_set = catalogue.find(name)
    if data_set.name == "own":  # cut here, at once to the size that the network takes
        train, held_out = (own.faces(root, part, side=size) for part in ("train", "val"))
        return train, held_out, f"the {len(held_out)} pictures of the validation split"
    train, held_out = (catalogue.load_faces(name, root, part) for part in ("train", "validation"))  # type: ignore[assignment]
    told = held_out.told if isinstance(held_out, fer2013.Faces) else f"the {len(held_out)} of the validation split"
    return train, held_out, told


def main() -> None:
    """Parse the command line, quantise, compare, and keep or delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the artefact, an .onnx in the weights' folder")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--fer2013", type=Path, help="folder with train/ and test/, or fer2013.csv")
    data.add_argument(
        "--data", nargs=2, metavar=("NAME", "DIR"), help=f"one of {', '.join(catalogue.names('face'))}, and its folder"
    )
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of the artefact")
    options = parser.parse_args()
    made = made_by(command_line(), [commit()])  # before anything is written
    source = options.weights / f"{options.name}.onnx"
    name, root = options.data or ("fer2013", options.fer2013)
    try:
        before = OnnxFace(source)
        train, held_out, told = load(name, Path(root), before.size)
        if not (len(train) and len(held_out)):
            raise DataLayoutError(f"{root} has no pictures to train on or none held out")
    except (ArtefactError, DataLayoutError, ValueError) as error:
        raise SystemExit(str(error)) from error
    drawn = np.random.default_rng(0).choice(len(train), min(PICTURES, len(train)), replace=False)
    crops, _ = train.batch(drawn, before.size, before.channels)
    data_set = catalogue.find(name)
    target = source.with_name(f"{source.stem}{IN_INTEGERS}.onnx")
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, target.name)
        quantise_face(source, fresh, crops)
        (old, labels), (new, _) = answers(before, held_out), answers(OnnxFace(fresh), held_out)
        content = fresh.read_bytes()
    was, now = report(old, labels), report(new, labels)
    lost = max(was.top1 - now.top1, was.uar - now.uar)
    low, high = paired_interval(new, old, labels)
    words = (
        f"top-1 {now.top1:.2%} instead of {was.top1:.2%}, UAR {now.uar:.2%} instead of {was.uar:.2%} "
        f"(difference {low:+.1%} to {high:+.1%}), ECE {now.ece:.3f} instead of {was.ece:.3f}; the same label for "
        f"{np.mean(old.argmax(axis=1) == new.argmax(axis=1)):.1%}; probabilities differ by "
        f"{np.abs(old - new).mean():.4f} on average"
    )
    if lost > MOST_LOST:
        raise SystemExit(f"not kept, it loses too much: {words}")
    target.write_bytes(content)
    record_sum(target)
    card = [
        f"# {target.stem}",
        "",
        f"- `{source.stem}` in 8-bit integers; data, licence and protocol: [{source.stem}.md]({source.stem}.md)",
        f"- Ranges: least and largest on {len(crops)} training pictures, drawn at random, of {data_set.title};",
        f"  their terms go for this file as well: {data_set.licence}",
        f"- On {told}: {words}",
        f"- Bytes: {target.stat().st_size:,} instead of {source.stat().st_size:,}",
        f"- Made by {made}",
        "- Known failures: those of the network that it was made of, see its card",
        "",
        *card_table(now),
        "",
    ]
    target.with_suffix(".md").write_text("\n".join(card))
    print(words)


if __name__ == "__main__":
    main()
