"""Train the voice network on RAVDESS (and SAVEE, TESS), its epoch chosen on actors that it never hears.

python -m scripts.train_voice --ravdess DIR [--savee DIR] [--tess DIR]

With --fold K (0-4) the actors of that fold are set aside, neither trained on nor chosen by: five such runs, and
`scripts.evaluate` on their artefacts, are a cross-validation by actor.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch

from models.artefact import ArtefactInfo
from models.datasets.speech import Clip, ravdess, read_clips, savee, tess
from models.held_out import HeldOut
from models.metrics import report
from models.networks.voice import AudioBiLSTM
from models.pooling import fit_sharpening
from models.publish import card_table, publish
from models.torch_engine import fit_temperature
from models.training import Recipe, fit
from models.voice_batches import Mix, SpeechBatches, set_population
from scripts.provenance import command_line

ACTORS = range(2, 21)
"""Actor 01 is the audio-visual check and 21-24 the final test; neither is ever trained on or chosen by."""


def fold_actors(fold: int) -> set[str]:
    """Return the speakers of a fold: every fifth man and every fifth woman of `ACTORS`."""
    men, women = [a for a in ACTORS if a % 2], [a for a in ACTORS if a % 2 == 0]
    return {f"ravdess-{actor:02d}" for actor in men[fold::5] + women[fold::5]}


def split(clips: Sequence[Clip], fold: int | None) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Split by speaker into training, validation (one man, one woman) and test (a fold, or nobody)."""
    test = set() if fold is None else fold_actors(fold)
    neighbours = sorted(fold_actors(0 if fold is None else (fold + 1) % 5))
    chosen = {next(s for s in neighbours if int(s[-2:]) % 2 == sex) for sex in (0, 1)}
    parts: tuple[list[Clip], list[Clip], list[Clip]] = ([], [], [])
    for clip in clips:
        parts[1 if clip.speaker in chosen else 2 if clip.speaker in test else 0].append(clip)
    speakers = [{clip.speaker for clip in part} for part in parts]
    if speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2]:
        raise ValueError("a speaker is in two splits")
    return parts


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, required=True, help="folder with Actor_01 ...")
    parser.add_argument("--savee", type=Path, help="folder with DC_a01.wav or DC/a01.wav: three more men")
    parser.add_argument("--tess", type=Path, help="folder with OAF_back_angry.wav ...: two more women")
    parser.add_argument("--run", type=Path, help="folder for checkpoints and curves (default: runs/NAME)")
    parser.add_argument("--name", help="of the artefact (default: audio_bilstm, or audio_bilstm_foldK)")
    parser.add_argument("--weights", type=Path, help="folder for the artefact (default: weights, or weights/folds)")
    parser.add_argument("--fold", type=int, choices=range(5), help="set this fold of actors aside")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batches", type=int, default=60, help="batches in an epoch")
    parser.add_argument("--channels", type=int, default=128, help="of the convolutions")
    parser.add_argument("--hidden", type=int, default=128, help="of the LSTM, each way")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--known", type=float, default=0.5, help="share of windows whose speaker is told")
    parser.add_argument("--non-speech", type=float, default=0.08, help="share of windows without a voice")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--mixup", type=float, default=0.0)
    parser.add_argument("--label-smoothing", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes all")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.name = options.name or ("audio_bilstm" if options.fold is None else f"audio_bilstm_fold{options.fold}")
    options.weights = options.weights or Path("weights" if options.fold is None else "weights/folds")
    options.run = options.run or Path("runs", options.name)
    return options


def corpora(options: argparse.Namespace) -> dict[str, list[Clip]]:
    """List the clips of every data set that was named, by its name."""
    clips = {"RAVDESS speech": ravdess(options.ravdess, ACTORS)}
    if options.savee:
        clips["SAVEE"] = savee(options.savee)
    if options.tess:
        clips["TESS"] = tess(options.tess)
    return clips


def main() -> None:
    """Train, calibrate, and publish the artefact."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    # Patience without end: the last epochs of a cosine are its best, and two validation actors too few to stop by.
    recipe = Recipe(
        epochs=options.epochs, batch_size=options.batch_size, lr=options.lr, ema_decay=0.995, patience=options.epochs,
        mixup=options.mixup, label_smoothing=options.label_smoothing, seed=options.seed, device=options.device,
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    listed = corpora(options)
    clips = [clip for part in listed.values() for clip in part]
    train, validation = (list(read_clips(part)) for part in split(clips, options.fold)[:2])
    heard = sorted({clip.speaker for clip, _ in train + validation})
    print(f"clips: train {len(train)}, validation {len(validation)}, of {len(clips)}")

    shape = {"adaptive": True, "channels": options.channels, "hidden": options.hidden, "dropout": options.dropout}
    network = AudioBiLSTM(**shape)
    set_population(network, train)
    held_out = HeldOut(network, validation)
    mix = Mix(options.batches, options.known, options.non_speech)
    best = fit(
        network, SpeechBatches(train, recipe, mix, network).epoch, options.batches,
        lambda average: held_out.metrics(cast(AudioBiLSTM, average)), recipe, options.run,
        {"fold": options.fold, "heard": heard, "network": shape, "mix": asdict(mix)},
    )  # fmt: skip
    print(json.dumps(best))

    logits, labels = held_out.logits(network), held_out.labels
    temperature = fit_temperature(logits, torch.from_numpy(labels))
    probs = torch.softmax(logits / temperature, dim=1).numpy()
    figures = report(probs, labels)
    info = ArtefactInfo(
        options.name, "voice", "audio_bilstm", shape, heard=tuple(heard), adaptive=True, temperature=temperature,
        sharpening=fit_sharpening(probs, labels, held_out.clips), neutral=held_out.neutral(probs),
    )  # fmt: skip
    chosen_on = sorted({clip.speaker for clip, _ in validation})
    publish(
        network, info, figures, options.weights, command_line(), {
            "Data": f"{len(train)} clips of {len({clip.speaker for clip, _ in train})} speakers: {', '.join(listed)}",
            "Licence": "RAVDESS is CC BY-NC-SA 4.0, TESS CC BY-NC-ND 4.0, SAVEE is for research: "
                       "these weights are for non-commercial use",
            "Protocol": f"epoch and temperature chosen on {', '.join(chosen_on)}, never trained on, which the figures "
                        "below (1 s windows) are of; speakers that had no part in any choice: see the cross-validation",
            "Time": f"{best['seconds'] / 60:.0f} minutes, epoch {best['epoch'] + 1:.0f} kept",
        },
    )  # fmt: skip
    print("\n".join(card_table(figures)))


if __name__ == "__main__":
    main()
