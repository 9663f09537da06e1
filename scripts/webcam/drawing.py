"""Draws what is known onto a picture: legible on whatever the camera sees. Pure: pixels in, pixels out."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.inference import Box, UInt8
from models.labels import LABELS
from scripts.webcam.board import Verdict, View
from scripts.webcam.hearing import RECORDING

Colour = tuple[int, int, int]

WHITE: Final[Colour] = (255, 255, 255)
GREY: Final[Colour] = (190, 190, 190)
GREEN: Final[Colour] = (120, 220, 120)
AMBER: Final[Colour] = (80, 190, 255)
RED: Final[Colour] = (90, 90, 255)
SHADE: Final = 0.72
"""How dark the plates under the text are: white on them has a contrast of 7:1 at least, whatever lies beneath."""
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
SECONDS: Final = RECORDING / 16_000
DOT: Final = "   "
"""Where the sign of a recording is drawn."""
HELP: Final = "a: record 2 s    q: quit"


@dataclass(frozen=True, slots=True)
class Meters:
    """What the loop measured itself: rates a second, the last look's milliseconds, seconds recorded so far."""

    fps: float = 0.0
    labels: float = 0.0
    milliseconds: float | None = None
    recording: float | None = None


def draw(image: UInt8, view: View, meters: Meters) -> UInt8:
    """Return a copy of a BGR picture [H, W, 3] with box, labels, states and rates."""
    canvas = image.copy()
    size = canvas.shape[0] / 720 * 0.35 + 0.4
    if view.box is not None:
        _face(canvas, view.box, view, size)
    step = round(34 * size) + 4
    for row, (text, colour) in enumerate(lines(view, meters)):
        _text(canvas, text, (8, 8 + row * step), size, colour)
        if text.startswith(DOT):
            cv2.circle(canvas, (8 + step // 2, 8 + row * step + step // 2 - 2), step // 4, colour, -1, cv2.LINE_AA)
    best = next(
        ((name, v) for name, v in (("both", view.fused), ("face", view.face), ("voice", view.voice)) if v), None
    )
    if best is not None:
        _bars(canvas, *best, size)
    _text(canvas, HELP, (8, canvas.shape[0] - 8 - step + 4), size * 0.8, GREY)
    if view.note:
        width = text_size(view.note, size)[0]
        fitting = size * min(1.0, (canvas.shape[1] - 40) / width)
        _text(canvas, view.note, (8, canvas.shape[0] - 2 * step - 8), fitting, AMBER)
    return canvas


def lines(view: View, meters: Meters) -> list[tuple[str, Colour]]:
    """Return the lines at the top, with their colours."""
    took = "" if meters.milliseconds is None else f", {meters.milliseconds:.0f} ms"
    rows = [(f"{meters.fps:.0f} fps    {meters.labels:.1f} labels/s{took}", GREY), _face_line(view)]
    if view.voice_state != "off":
        said = "..." if view.voice is None else str(view.voice)
        silent = view.voice_state == "silence"
        rows.append((f"voice: {said}{' (silence)' if silent else ''}", GREY if silent else WHITE))
        if view.fused is not None:
            rows.append((f"both: {view.fused}", GREEN))
    if meters.recording is not None:
        rows.append((f"{DOT}recording {min(meters.recording, SECONDS):.1f} of {SECONDS:.0f} s", RED))
    elif view.recorded == "silence":
        rows.append(("recorded: silence", GREY))
    elif view.recorded is not None:
        rows.append((f"recorded: {view.recorded}", GREEN))
    return rows


def _face_line(view: View) -> tuple[str, Colour]:
    if view.face_state in ("waiting", "no face"):
        return f"face: {'...' if view.face_state == 'waiting' else 'no face'}", GREY
    said = "..." if view.face is None else str(view.face)
    return (f"face: {said} (held)", AMBER) if view.face_state == "held" else (f"face: {said}", WHITE)


def text_size(text: str, size: float) -> tuple[int, int]:
    """Return width and height of a text in pixels, without its plate."""
    (width, height), _ = cv2.getTextSize(text, FONT, size, _thickness(size))
    return width, height


def _face(canvas: UInt8, box: Box, view: View, size: float) -> None:
    height, width = canvas.shape[:2]
    left, top = round(box.x * width), round(box.y * height)
    right, bottom = round((box.x + box.width) * width), round((box.y + box.height) * height)
    colour = AMBER if view.face_state == "held" else GREEN
    for thickness, ink in ((5, (0, 0, 0)), (2, colour)):  # a dark rim, to be seen before anything bright
        cv2.rectangle(canvas, (left, top), (right, bottom), ink, thickness, cv2.LINE_AA)
    if view.face is None:
        return
    tag, tag_size = str(view.face), size * 1.2
    wide, high = text_size(tag, tag_size)
    x = min(max(left, 0), max(0, width - wide - 16))
    y = top - high - 18 if top - high - 18 >= 0 else min(max(bottom + 4, 0), height - high - 16)
    _text(canvas, tag, (x, y), tag_size, colour)


def _bars(canvas: UInt8, title: str, verdict: Verdict, size: float) -> None:
    """Draw seven probabilities, and whose they are, into the upper right corner; grey is what no model knows."""
    step, names = round(28 * size), text_size("surprise", size * 0.7)[0]
    wide, high = names + round(130 * size), step * (len(LABELS) + 1) + 12
    left = canvas.shape[1] - wide - 16
    _shade(canvas, left, 8, left + wide + 8, 8 + high)
    rows = [(title, None), *zip(LABELS, verdict.probs, strict=True)]
    for row, (name, share) in enumerate(rows):
        y = 8 + 6 + row * step
        # Nothing is ever wholly improbable to a model that knows it.
        colour = GREY if not share else GREEN if name == verdict.label and verdict.sure else WHITE
        cv2.putText(canvas, name, (left + 6, y + round(step * 0.72)), FONT, size * 0.7, colour, 1, cv2.LINE_AA)
        if not share:
            continue
        start, length = left + names + 14, wide - names - 16
        cv2.rectangle(canvas, (start, y + 4), (start + round(length * float(share)), y + step - 4), colour, -1)


def _text(canvas: UInt8, text: str, corner: tuple[int, int], size: float, colour: Colour) -> None:
    """Write on a dark plate whose upper left corner is given."""
    (x, y), (width, height) = corner, text_size(text, size)
    _shade(canvas, x, y, x + width + 12, y + height + 12)
    cv2.putText(canvas, text, (x + 6, y + height + 5), FONT, size, colour, _thickness(size), cv2.LINE_AA)


def _shade(canvas: UInt8, left: int, top: int, right: int, bottom: int) -> None:
    part = canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    part[:] = (part * np.float32(1 - SHADE)).astype(np.uint8)


def _thickness(size: float) -> int:
    return 2 if size > 0.65 else 1
