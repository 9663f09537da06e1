"""Train the voice network on RAVDESS (and SAVEE), its epoch chosen on actors that it never hears.

python -m scripts.train_voice --ravdess DIR [--savee DIR]

With --fold K (0-4) the actors of that fold are set aside, neither trained on nor chosen by: five such runs, and
`scripts.evaluate` on their artefacts, are a cross-validation by actor.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.artefact import ArtefactInfo
from models.augment_voice import augment_speech, non_speech
from models.datasets.speech import Clip, ravdess, read_clips, savee
from models.inference import SAMPLE_RATE, Int16
from models.labels import LABELS
from models.metrics import top_k, uar
from models.publish import card_table, publish
from models.registry import build
from models.training import Batch, Recipe, fit, mixup, soft_targets
from models.windows import speech_span, stream_windows
from scripts.provenance import command_line

ACTORS = range(2, 21)
"""Actor 01 is the audio-visual check and 21-24 the final test; neither is ever trained on or chosen by."""

Sounds = list[tuple[Clip, Int16]]


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


def cut(sound: Int16, span: tuple[int, int], length: int, rng: np.random.Generator) -> Int16:
    """Draw a window of `length` samples that is mostly speech."""
    low = max(0, span[0] - int(0.3 * length))
    high = max(low, min(span[1] - int(0.7 * length), len(sound) - length))
    start = int(rng.integers(low, high + 1))
    window = sound[start : start + length]
    return np.pad(window, (length - len(window), 0))


def batches(sounds: Sounds, recipe: Recipe, epoch: int, count: int, non_speech_share: float) -> Iterator[Batch]:
    """Yield `count` batches of augmented windows, labels drawn alike; each batch has one window length.

    A share of the windows holds no voice; their target is that every label is as likely as another.
    """
    rng = np.random.default_rng((recipe.seed, epoch))
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
    labels = np.array([LABELS.index(clip.label) for clip, _ in sounds])
    spans = [speech_span(sound) for _, sound in sounds]
    weights = 1.0 / np.bincount(labels, minlength=len(LABELS))[labels]
    weights /= weights.sum()
    for _ in range(count):
        seconds = 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(0.6), np.log(3.0))))
        length = round(seconds * SAMPLE_RATE)
        chosen = rng.choice(len(sounds), recipe.batch_size, p=weights)
        others = rng.choice(len(sounds), recipe.batch_size)
        windows = np.zeros((recipe.batch_size, length), np.float32)
        voiceless = rng.random(recipe.batch_size) < non_speech_share
        for row, (index, other) in enumerate(zip(chosen, others, strict=True)):
            # A fifth more than is needed: a change of speed shortens it.
            voice = cut(sounds[index][1], spans[index], length * 6 // 5, rng).astype(np.float32) / 32768
            babble = cut(sounds[other][1], spans[other], length * 6 // 5, rng).astype(np.float32) / 32768
            altered = augment_speech(voice, babble, rng)[-length:]
            windows[row, length - len(altered) :] = altered
        inputs = torch.from_numpy(windows)
        targets = soft_targets(torch.from_numpy(labels[chosen]), len(LABELS), recipe.label_smoothing)
        inputs, targets = mixup(inputs, targets, recipe.mixup, generator)
        # After the mixup: a fan blended into quiet speech would drown it.
        for row in np.flatnonzero(voiceless):
            inputs[row] = torch.from_numpy(non_speech(length, rng))
            targets[row] = 1.0 / len(LABELS)
        yield inputs, targets


@torch.no_grad()
def logits_of(network: nn.Module, sounds: Sounds, seconds: float) -> tuple[Tensor, Tensor]:
    """Return the logits [K, 7] of every window that a stream would ask about, and the label [K] of each."""
    network.eval()
    device = next(network.parameters()).device
    cuts = [stream_windows(sound, seconds) for _, sound in sounds]
    labels = [LABELS.index(clip.label) for (clip, _), windows in zip(sounds, cuts, strict=True) for _ in windows]
    waveform = torch.from_numpy(np.concatenate(cuts).astype(np.float32) / 32768).to(device)
    return torch.cat([network(part).cpu() for part in waveform.split(128)]), torch.tensor(labels)


def main() -> None:
    """Parse the command line, train, and leave the network in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, required=True, help="folder with Actor_01 ...")
    parser.add_argument("--savee", type=Path, help="folder with DC_a01.wav or DC/a01.wav: three more men")
    parser.add_argument("--run", type=Path, help="folder for checkpoints and curves (default: runs/NAME)")
    parser.add_argument("--name", help="of the artefact (default: audio_bilstm, or audio_bilstm_foldK)")
    parser.add_argument("--weights", type=Path, help="folder for the artefact (default: weights, or weights/folds)")
    parser.add_argument("--fold", type=int, choices=range(5), help="set this fold of actors aside")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batches", type=int, default=60, help="batches in an epoch")
    parser.add_argument("--non-speech", type=float, default=0.08, help="share of windows without a voice")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes all")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    name = options.name or ("audio_bilstm" if options.fold is None else f"audio_bilstm_fold{options.fold}")
    weights = options.weights or Path("weights" if options.fold is None else "weights/folds")
    run = options.run or Path("runs", name)
    recipe = Recipe(
        epochs=options.epochs, batch_size=options.batch_size, lr=options.lr, ema_decay=0.995, patience=15,
        seed=options.seed, device=options.device,
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    clips = ravdess(options.ravdess, ACTORS) + (savee(options.savee) if options.savee else [])
    train, validation = (list(read_clips(part)) for part in split(clips, options.fold)[:2])
    heard = tuple(sorted({clip.speaker for clip, _ in train + validation}))
    print(f"clips: train {len(train)}, validation {len(validation)}, of {len(clips)}")
    network = build("audio_bilstm", {})

    def evaluate(candidate: nn.Module) -> dict[str, float]:
        logits, labels = logits_of(candidate, validation, 1.0)
        probs = logits.softmax(dim=1).numpy()
        return {"top1": top_k(probs, labels.numpy(), 1), "uar": uar(probs, labels.numpy())}

    best = fit(
        network, lambda epoch: batches(train, recipe, epoch, options.batches, options.non_speech), options.batches,
        evaluate, recipe, run,
        {"fold": options.fold, "batches": options.batches, "heard": list(heard), "non_speech": options.non_speech},
    )  # fmt: skip
    print(json.dumps(best))
    chosen_on = sorted({clip.speaker for clip, _ in validation})
    info = ArtefactInfo(name, "voice", "audio_bilstm", {}, heard=heard)
    figures = publish(
        network, info, *logits_of(network, validation, 1.0), weights, command_line(), {
            "Data": f"{len(train)} clips of {len({clip.speaker for clip, _ in train})} speakers: "
                    f"RAVDESS speech{' and SAVEE' if options.savee else ''}",
            "Licence": "RAVDESS is CC BY-NC-SA 4.0, SAVEE is for research: these weights are for non-commercial use",
            "Protocol": f"epoch and temperature chosen on {', '.join(chosen_on)}, never trained on, which the figures "
                        "below (1 s windows) are of; speakers that had no part in any choice: see the cross-validation",
            "Time": f"{best['seconds'] / 60:.0f} minutes, epoch {best['epoch'] + 1:.0f} kept",
        },
    )  # fmt: skip
    print("\n".join(card_table(figures)))


if __name__ == "__main__":
    main()
