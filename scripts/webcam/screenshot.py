"""Take the picture of the webcam tool for the docs: the real tool on a virtual desktop, with real key presses.

    python -m scripts.webcam.screenshot docs/webcam.png [--clip FILE.mp4] [--seconds 8]

Needs Xvfb and xdotool (Debian: `apt install xvfb xdotool`) and `requirements-dev.txt`.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

from app.settings import ROOT
from scripts.webcam.portrait import write_portrait
from scripts.webcam.screen import TITLE
from scripts.webcam.virtual_desktop import virtual_desktop

RECORDED = 3.0
"""Seconds from the key `a` to the picture: the recording, and its label."""


def take_screenshot(path: Path, *, clip: Path | None = None, seconds: float = 8) -> None:
    """Run the tool on a video, press `a` and photograph the window.

    Args:
        path: Where the PNG goes.
        clip: The video, longer than `seconds`; None shows a public-domain portrait with a made voice.
        seconds: When the picture is taken, after the window opened.
    """
    with tempfile.TemporaryDirectory() as folder, virtual_desktop() as desktop:
        if clip is None:
            clip = Path(folder) / "portrait.mp4"
            write_portrait(clip, round(seconds) + 3)
        command = [sys.executable, "-m", "scripts.webcam", str(clip), "--voice"]
        with subprocess.Popen(command, cwd=ROOT, env=desktop.environment) as tool:  # noqa: S603
            try:
                window = desktop.window(TITLE)
                time.sleep(max(0.0, seconds - RECORDED))
                desktop.press("a")
                time.sleep(RECORDED)
                left, top, width, height = desktop.place(window)
                picture = desktop.picture()[top : top + height, left : left + width]
                cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                desktop.press("q")
                tool.wait(timeout=20)
            finally:
                tool.kill()


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="the PNG to write")
    parser.add_argument("--clip", type=Path, help="video with sound to show instead of the portrait")
    parser.add_argument("--seconds", type=float, default=8, help="when the picture is taken (default: %(default)s)")
    wish = parser.parse_args()
    take_screenshot(wish.path, clip=wish.clip, seconds=wish.seconds)


if __name__ == "__main__":
    main()
