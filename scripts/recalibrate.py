"""Fit a face artefact's temperature and neutral answer anew, on held-out pictures; its weights stay as they are.

python -m scripts.recalibrate NAME --fer2013 DIR
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from models.artefact import ArtefactError
from models.datasets import fer2013
from models.datasets.layout import DataLayoutError
from models.export import export_onnx
from models.face_batches import FaceCrops
from models.labels import LABELS
from models.metrics import report
from models.publish import card_table, publish
from models.torch_engine import Calibrated, fit_temperature
from scripts.forebears import Forebear, inherited
from scripts.places import tell_written
from scripts.provenance import command_line, commit, made_by


def judged_by_fer2013(path: Path) -> Calibrated:
    """Load a face artefact that FER-2013's pictures can be put to.

    Raises:
        SystemExit: It cannot be read, or is another; with one line.
    """
    try:
        model = Calibrated.load(path, "face")
    except ArtefactError as error:
        raise SystemExit(str(error)) from error
    if model.info.labels != LABELS:
        raise SystemExit(f"{path} does not tell {', '.join(LABELS)} apart: FER-2013 cannot judge it")
    return model


@torch.no_grad()
def recalibrate(model: Calibrated, faces: fer2013.Faces) -> tuple[Calibrated, torch.Tensor]:
    """Return the model with a temperature and a neutral answer of these pictures, and its probabilities [N, 7]."""
    logits, _ = FaceCrops(faces, LABELS, model.info.size, model.info.channels).logits(model.network)
    labels = torch.from_numpy(faces.labels)
    temperature = fit_temperature(logits, labels)
    answers = (logits / temperature).log_softmax(dim=1)
    neutral = answers[labels == LABELS.index("neutral")].mean(dim=0).softmax(dim=0)
    info = replace(model.info, temperature=temperature, neutral=tuple(neutral.tolist()))
    return Calibrated(model.network, info).eval(), answers.exp()


def publish_recalibrated(
    model: Calibrated, train: fer2013.Faces, held_out: fer2013.Faces, weights: Path, notes: dict[str, str],
    learnt_from: Iterable[Forebear],
) -> None:  # fmt: skip
    """Recalibrate an artefact of FER-2013 on the held-out pictures, publish it in a folder, and print its figures.

    `notes` are what its card says beside the data and their licence, `learnt_from` what it was made of.
    """
    model, probs = recalibrate(model, held_out)
    figures = report(probs.numpy(), held_out.labels)
    publish(
        model.network, model.info, figures, weights, made_by(command_line(), [commit()]), inherited({
            "Data": f"FER-2013, usage Training, {len(train)} pictures (those that `test` has too left out)",
            "Licence": "FER-2013 publishes no licence: these weights are for non-commercial use",
            **notes,
        }, learnt_from),
    )  # fmt: skip
    print("\n".join(card_table(figures)))
    tell_written(weights, model.info.name, model.info.kind)


def main() -> None:
    """Parse the command line, fit, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the artefact, a .pt in the weights' folder")
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with test/, or the CSV")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of the artefact")
    options = parser.parse_args()
    path = options.weights / f"{options.name}.pt"
    trained = judged_by_fer2013(path)
    try:
        faces = fer2013.load(options.fer2013, "test")
    except DataLayoutError as error:
        raise SystemExit(str(error)) from error
    model, probs = recalibrate(trained, faces)
    export_onnx(model, path.with_suffix(".onnx"))
    model.save(path)
    print(f"temperature {model.info.temperature:.3f}, neutral answer", [round(p, 3) for p in model.info.neutral])
    print("\n".join(card_table(report(probs.numpy(), faces.labels))))
    print(f"Note it in {path.with_suffix('.md')}: {command_line()}")


if __name__ == "__main__":
    main()
