"""The window, by OpenCV."""

import os
import subprocess
import sys
from typing import Final

import cv2

from models.inference import UInt8
from scripts.webcam.faults import DeviceError

TITLE: Final = "Emotion webcam"
NO_DISPLAY: Final = (
    "no display: the window needs a desktop (on Linux DISPLAY must name an X server; over ssh, try ssh -X). "
    "Without one, python -m scripts.stream_file streams a file to the server"
)
_TRY: Final = "import cv2; cv2.namedWindow('try', cv2.WINDOW_GUI_NORMAL)"


class Screen:
    """The tool's window. Used by one thread, the main one.

    Raises:
        DeviceError: There is no display, or this OpenCV cannot open windows.
    """

    def __init__(self) -> None:
        _require_display()
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise DeviceError(f"this OpenCV opens no windows: {error.err}") from error
        self._sized = False

    def show(self, picture: UInt8) -> None:
        """Show a BGR picture; the first one gives the window its size."""
        if not self._sized:
            cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._sized = True
        cv2.imshow(TITLE, picture)

    def key(self, milliseconds: int) -> str | None:
        """Wait so long for a key, at most; return it, small letters."""
        code = cv2.waitKey(milliseconds)
        return None if code < 0 else chr(code & 0xFF).lower()

    @property
    def closed(self) -> bool:
        """Whether the user closed the window."""
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()
        cv2.waitKey(1)


def _require_display() -> None:
    """Look for a display where a missing one would end the process.

    OpenCV's Qt calls `abort` when it cannot connect, so that another process has to try.
    """
    if sys.platform != "linux":
        return
    # Its wheel brings no fonts, and says so in a dozen lines; the tool draws its own text.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
    if not os.environ.get("DISPLAY"):
        raise DeviceError(NO_DISPLAY)
    tried = subprocess.run([sys.executable, "-c", _TRY], capture_output=True, check=False)  # noqa: S603 - our own words
    if tried.returncode < 0:
        raise DeviceError(NO_DISPLAY)
