"""Asks the models of a cluster, in a process of its own: Ray leaves threads behind that outlive their cluster.

python asking.py answers QUESTIONS.npz ANSWERS.npz      one answer to each
python asking.py load PICTURE.jpg                       three questions at once, over and over
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import numpy as np

from app.inference.interface import Inference, InvalidImageError
from app.inference.loading import LoadingError
from app.settings import Settings

SETTINGS = Settings(_env_file=None, face_model="fer_resnet", fusion="concat", inference_timeout=60)


async def answers(inference: Inference, questions: dict[str, Any]) -> dict[str, Any]:
    """Return what the models say; of questions and answers alike, each kind is an array, or many of numbered names."""
    told: dict[str, Any] = {"about": about(inference)}
    heard = [
        await inference.voice(window, reference)
        for window, reference in zip(questions["windows"], questions["references"], strict=True)
    ]
    told["voice"] = np.stack([reading.probs for reading in heard])
    told["statistics"] = np.stack([reading.statistics for reading in heard])
    seen = [await inference.face(questions[name].tobytes()) for name in sorted(questions) if name.startswith("jpeg")]
    told["face"] = np.stack([reading.probs for reading in seen])
    told["box"] = np.array([(r.box.x, r.box.y, r.box.width, r.box.height) for r in seen if r.box])
    told["crop"] = np.stack([reading.crop for reading in seen])
    told["fusion"] = np.stack([await inference.fusion(window, told["crop"][0]) for window in questions["windows"]])
    try:
        await inference.face(b"\xff\xd8 nothing")
    except InvalidImageError as error:
        told["broken"] = str(error)
    return told


def about(inference: Inference) -> str:
    """Return what the models say of themselves."""
    names = (inference.voice_name, inference.face_name, inference.fusion_name, inference.fallback)
    return repr((names, inference.voice_traits, inference.face_traits, inference.fusion_traits))


async def load(inference: Inference, picture: bytes) -> None:
    """Ask until the process is ended."""

    async def ask() -> None:
        while True:
            try:
                await inference.face(picture)
            except RuntimeError as error:  # a replica died
                print(error, flush=True)

    await asyncio.gather(*(ask() for _ in range(3)))


def main() -> None:
    """Do what the command line says."""
    from app.inference import ray  # not where pytest imports this: it warns

    command, path, *out = sys.argv[1:]
    took: list[tuple[str, float]] = []
    inference = ray.connect(SETTINGS, lambda path, seconds: took.append((path, seconds)))
    if command == "load":
        asyncio.run(load(inference, Path(path).read_bytes()))
        return
    told = asyncio.run(answers(inference, dict(np.load(path))))
    assert {path for path, seconds in took if 0 < seconds < 60} == {"voice", "face", "fusion"}
    ray.VOICE = "Nobody"
    try:
        ray.connect(SETTINGS, lambda path, seconds: None)
    except LoadingError as error:
        told["missing"] = str(error)
    np.savez(out[0], **told)


if __name__ == "__main__":
    main()
