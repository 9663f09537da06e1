"""Write a voice artefact in 8-bit integers beside the one in floating point, unless that costs too much accuracy.

python -m scripts.quantise_voice NAME --ravdess DIR [--folds NAME ...]
python -m scripts.quantise_voice NAME --data own DIR

The data are what finds the integers' ranges and says what they cost: take those that it was trained on. What it costs
is measured on people whom the artefact has not heard; with --folds by the artefacts of a cross-validation, each on its
own. It is served by VOICE_MODEL=NAME_int8, in about two thirds of the time of NAME.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from app.settings import Settings
from models.artefact import IN_INTEGERS, ArtefactError
from models.checksums import record_sum
from models.datasets import catalogue, ravdess
from models.datasets.clips import Clip, read_clips
from models.datasets.layout import DataLayoutError
from models.inference import Int16
from models.intervals import paired_interval
from models.onnx_engine import OnnxVoice
from models.quantise import quantise_voice
from models.windows import stream_windows
from scripts.evaluate.answers import Answers, LeakageError, ask, join, unheard_clips
from scripts.evaluate.voice import STREAM, views
from scripts.provenance import command_line, commit, made_by
from scripts.train_voice import ACTORS

WINDOW: Final = "1 s window"
CLIPS: Final = 256
"""Most clips of people it has heard, drawn at random, by one window of each of which the ranges are found."""
MOST_LOST: Final = 0.005
"""Of a view's UAR that an artefact may lose; one that loses more is not kept."""


def examples(heard: frozenset[str], clips: Sequence[Clip]) -> Int16:
    """Return windows of 1 s [N, 16000] of people whom a model has heard.

    Raises:
        DataLayoutError: There are none.
    """
    rng = np.random.default_rng(0)
    theirs = [clip for clip in clips if clip.speaker in heard]
    if not theirs:
        raise DataLayoutError("there is no clip of anybody whom the artefact has heard, to find its ranges by")
    drawn = [theirs[index] for index in rng.permutation(len(theirs))[:CLIPS]]
    return np.stack([rng.choice(stream_windows(sound)) for _, sound in read_clips(drawn)])


def main() -> None:
    """Parse the command line, measure what it costs, and write the artefact and its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the artefact, an .onnx in the weights' folder")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--ravdess", type=Path, help="RAVDESS' folder of speech")
    data.add_argument(
        "--data",
        nargs=2,
        metavar=("NAME", "DIR"),
        help=f"one of {', '.join(catalogue.names('speech'))}, and its folder",
    )
    parser.add_argument("--folds", nargs="+", metavar="NAME", help="artefacts to measure by (default: NAME itself)")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="folder of the artefacts")
    options = parser.parse_args()
    made = made_by(command_line(), [commit()])  # before anything is written
    name, root = options.data or ("ravdess", options.ravdess)
    try:
        data_set = catalogue.find(name)
        if data_set.clips is None:
            raise catalogue.UnknownDataSetError(
                f"{name} has no speech: there are {', '.join(catalogue.names('speech'))}"
            )
        clips = ravdess.clips(Path(root), ACTORS) if data_set.name == "ravdess" else data_set.clips(Path(root))
        words = _cost(options.weights, options.folds or [options.name], clips)
        source = options.weights / f"{options.name}.onnx"
        target = source.with_name(f"{source.stem}{IN_INTEGERS}.onnx")
        windows = examples(OnnxVoice(source).heard, clips)
        quantise_voice(source, target, windows)
    except (ArtefactError, DataLayoutError, LeakageError, ValueError) as error:
        raise SystemExit(str(error)) from error
    record_sum(target)
    card = [
        f"# {target.stem}",
        "",
        f"- `{source.stem}` in 8-bit integers: its convolutions and its LSTM, not its spectrogram; data, licence and",
        f"  protocol: [{source.stem}.md]({source.stem}.md)",
        f"- Ranges: least and largest on a window each of {len(windows)} clips of people it has heard, at random,",
        f"  of {data_set.title}; their terms go for this file as well: {data_set.licence}",
        f"- Measured by {', '.join(options.folds or [options.name])}, on people of it whom they have not heard:",
        *(f"  - {line}" for line in words),
        f"- Bytes: {target.stat().st_size:,} instead of {source.stat().st_size:,}",
        f"- Made by {made}",
        "- Known failures: those of the network that it was made of, see its card",
        "",
    ]
    target.with_suffix(".md").write_text("\n".join(card))
    print("\n".join(words))


def _cost(weights: Path, names: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    """Return what integers cost these artefacts, a line for each view; stop where it is too much."""
    models = [OnnxVoice(weights / f"{name}.onnx") for name in names]
    asked = {name: view for name, view in views(Settings(_env_file=None)).items() if name in (WINDOW, STREAM)}
    before: dict[str, list[Answers]] = {name: [] for name in asked}
    after: dict[str, list[Answers]] = {name: [] for name in asked}
    for name, model, theirs in zip(names, models, unheard_clips(models, clips), strict=True):
        sounds = list(read_clips(theirs))
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder, "fresh.onnx")
            quantise_voice(weights / f"{name}.onnx", fresh, examples(model.heard, clips))
            for answers, each in ((before, model), (after, OnnxVoice(fresh))):
                for view, said in ask(each, sounds, asked).items():
                    answers[view].append(said)
    lines = [_compared(view, join(before[view]), join(after[view])) for view in asked]
    if any(lost > MOST_LOST for lost, _ in lines):
        raise SystemExit(f"not kept, it loses too much: {'; '.join(words for _, words in lines)}")
    return [words for _, words in lines]


def _compared(view: str, old: Answers, new: Answers) -> tuple[float, str]:
    was, now = old.figures(), new.figures()
    low, high = paired_interval(new.probs, old.probs, old.labels)
    same = np.mean(old.probs.argmax(axis=1) == new.probs.argmax(axis=1))
    return was["uar"] - now["uar"], (
        f"{view}, {len(old)} answers: UAR {now['uar']:.2%} instead of {was['uar']:.2%} (difference {low:+.1%} to "
        f"{high:+.1%}), ECE {now['ece']:.3f} instead of {was['ece']:.3f}; the same label for {same:.1%}; probabilities "
        f"differ by {np.abs(old.probs - new.probs).mean():.4f} on average"
    )


if __name__ == "__main__":
    main()
