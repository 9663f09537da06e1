"""Answers as CSV and as JSON. Times are in seconds; labels are those of the stream."""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, TextIO

from app.protocol import FacePart, FusedPart, Result, VoicePart
from app.settings import Settings
from models.labels import LABELS
from scripts.predict.answer import Answer, Fault

COLUMNS: Final = ("source", "seconds", "part", "state", "label", *LABELS, "x", "y", "width", "height")
"""`seconds`: since the file's start, empty for the whole; `part`: voice, face or fused; the face's box in fractions
of the picture."""


def write_csv(file: TextIO, answers: Sequence[Answer]) -> None:
    """Write three rows, voice, face and fused, for each moment of each source, and then for the whole of it."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    for answer in answers:
        for result in answer.timeline:
            rows.writerows(_rows(answer.source, f"{result.t:g}", result))
        rows.writerows(_rows(answer.source, "", answer))


def _rows(source: str, seconds: str, said: Answer | Result) -> Iterator[tuple[Any, ...]]:
    parts: tuple[tuple[str, VoicePart | FacePart | FusedPart], ...] = (
        ("voice", said.voice), ("face", said.face), ("fused", said.fused),
    )  # fmt: skip
    for name, part in parts:
        probs = [part.probs.get(label, "") for label in LABELS]
        box = part.box if isinstance(part, FacePart) and part.box else ("",) * 4
        yield (source, seconds, name, part.state, part.label or "", *probs, *box)


def write_json(
    file: TextIO, answers: Sequence[Answer], faults: Sequence[Fault], models: dict[str, str], settings: Settings
) -> None:
    """Write one object: the models, the settings that shape the figures, the answers, and what could not be used."""
    shaping = ("fusion_weight", "voice_smoothing", "face_smoothing", "result_interval", "voice_window", "silence_rms")
    kept = {
        "labels": LABELS,
        "models": models,
        "settings": {name: getattr(settings, name) for name in shaping},
        "answers": [_object(answer) for answer in answers],
        "faults": [{"source": fault.source, "message": fault.message} for fault in faults],
    }
    json.dump(kept, file, indent=1, ensure_ascii=False, allow_nan=False)
    file.write("\n")


def _object(answer: Answer) -> dict[str, Any]:
    used = answer.used
    return {
        "source": answer.source,
        "used": {
            "seconds": round(used.seconds, 3),
            "windows": used.windows,
            "window": round(used.window, 3),
            "pictures": used.pictures,
            "faces": used.faces,
            "fusion": used.fusion,
        },
        **_parts(answer),
        "timeline": [{"seconds": result.t, **_parts(result)} for result in answer.timeline],
    }


def _parts(said: Answer | Result) -> dict[str, Any]:
    return {
        "voice": said.voice.model_dump(),
        "face": said.face.model_dump(),
        "fused": said.fused.model_dump(),
        "top5": [ranked.model_dump() for ranked in said.top5],
    }
