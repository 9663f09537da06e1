"""Write a face artefact in 8-bit integers beside the one in floating point, unless that costs too much accuracy.

python -m scripts.quantise_face NAME --fer2013 DIR

It is served by FACE_MODEL=NAME_int8, in about half the time.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from models.artefact import IN_INTEGERS, ArtefactError
from models.checksums import record_sum
from models.datasets import fer2013
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


def answers(model: FaceModel, faces: fer2013.Faces) -> Float32:
    """Return the probabilities [N, 7] of all pictures."""
    parts = [model.predict(faces.batch(np.arange(start, min(start + 64, len(faces))), model.size, model.channels)[0])
             for start in range(0, len(faces), 64)]  # fmt: skip
    return np.concatenate(parts)


def main() -> None:
    """Parse the command line, quantise, compare, and keep or delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the artefact, an .onnx in the weights' folder")
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with train/ and test/, or fer2013.csv")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of the artefact")
    options = parser.parse_args()
    made = made_by(command_line(), [commit()])  # before anything is written
    source = options.weights / f"{options.name}.onnx"
    try:
        before = OnnxFace(source)
        held_out = fer2013.load(options.fer2013, "test")
        train = fer2013.load(options.fer2013, "train")
    except (ArtefactError, DataLayoutError) as error:
        raise SystemExit(str(error)) from error
    drawn = np.random.default_rng(0).choice(len(train), PICTURES, replace=False)
    crops, _ = train.batch(drawn, before.size, before.channels)
    target = source.with_name(f"{options.name}{IN_INTEGERS}.onnx")
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, target.name)
        quantise_face(source, fresh, crops)
        old, new = answers(before, held_out), answers(OnnxFace(fresh), held_out)
        content = fresh.read_bytes()
    was, now = report(old, held_out.labels), report(new, held_out.labels)
    lost = max(was.top1 - now.top1, was.uar - now.uar)
    low, high = paired_interval(new, old, held_out.labels)
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
        f"- `{options.name}` in 8-bit integers; data, licence and protocol: [{options.name}.md]({options.name}.md)",
        f"- Ranges: least and largest on {PICTURES} training pictures, drawn at random",
        f"- On {held_out.told}: {words}",
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
