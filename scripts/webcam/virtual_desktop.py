"""A desktop without a screen: Xvfb, real key presses by xdotool, pictures of it. For the tests and the screenshot.

Debian: `apt install xvfb xdotool`. Needs `requirements-dev.txt`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ImageGrab

from models.inference import UInt8

PROGRAMS = ("Xvfb", "xdotool")
SIZE = (1280, 800)
_POLL = 0.05
_PAINTED = 5.0
"""Seconds until a window that is on the screen has a picture."""
# XEvent of type ClientMessage (33), as window managers send it when a window's x is clicked.
_CLOSE = """
import ctypes, sys
class Message(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
                ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("rest", ctypes.c_long * 24)]
x = ctypes.CDLL("libX11.so.6")
x.XOpenDisplay.restype = ctypes.c_void_p
x.XInternAtom.restype = ctypes.c_ulong
x.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
x.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
x.XCloseDisplay.argtypes = [ctypes.c_void_p]
display, window = x.XOpenDisplay(None), int(sys.argv[1])
message = Message(33, 0, 1, display, window, x.XInternAtom(display, b"WM_PROTOCOLS", 0), 32)
message.data[0] = x.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
x.XSendEvent(display, window, 0, 0, ctypes.byref(message))
x.XCloseDisplay(display)
"""


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class VirtualDesktop:
    """A running X server without a screen.

    Attributes:
        environment: For programs that shall open their windows there.
    """

    def __init__(self, display: str) -> None:
        self._display = display
        self.environment = dict(os.environ, DISPLAY=display)

    def window(self, title: str, timeout: float = 120) -> int:
        """Wait for a window's picture, put the pointer into it (no window manager gives it the keys), return its id.

        Raises:
            TimeoutError: It did not open, or stayed black.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = self._xdotool("search", "--onlyvisible", "--name", f"^{title}$").split()
            if found:
                self._xdotool("mousemove", "--window", found[0], "40", "40")
                if self._has_picture(int(found[0])):
                    return int(found[0])
            time.sleep(_POLL)
        raise TimeoutError(f"no window {title!r}")

    def _has_picture(self, window: int) -> bool:
        """Wait for anything in a window; one that stays black is taken off the screen and put there again.

        On a busy machine Qt now and then misses that its window has been put on the screen, and never paints it.
        """
        until = time.monotonic() + _PAINTED
        while time.monotonic() < until:
            left, top, width, height = self.place(window)
            if self.picture()[top : top + height, left : left + width].any():
                return True
            time.sleep(_POLL)
        self._xdotool("windowunmap", "--sync", str(window))
        self._xdotool("windowmap", "--sync", str(window))
        return False

    def place(self, window: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height of a window, in pixels."""
        told = self._xdotool("getwindowgeometry", "--shell", str(window))
        values = dict(line.split("=") for line in told.split())
        left, top, width, height = (int(values[name]) for name in ("X", "Y", "WIDTH", "HEIGHT"))
        return left, top, width, height

    def press(self, key: str) -> None:
        """Press and release a key of the keyboard."""
        self._xdotool("key", key)

    def close(self, window: int) -> None:
        """Click a window's x, so to speak."""
        python = shutil.which("python3") or "python3"
        subprocess.run([python, "-c", _CLOSE, str(window)], env=self.environment, check=True)  # noqa: S603

    def picture(self) -> UInt8:
        """Return what is on the screen: RGB [H, W, 3]."""
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("RGB"), np.uint8)

    def _xdotool(self, *arguments: str) -> str:
        return subprocess.run(  # noqa: S603
            [shutil.which("xdotool") or "xdotool", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,  # a search that finds nothing fails
        ).stdout


@contextmanager
def virtual_desktop(size: tuple[int, int] = SIZE) -> Iterator[VirtualDesktop]:
    """Start an X server on a free display.

    Raises:
        RuntimeError: It is not installed, or does not start.
    """
    if missing():
        raise RuntimeError(f"not installed: {', '.join(missing())} (Debian: apt install xvfb xdotool)")
    reading, writing = os.pipe()
    # -noreset: else it begins anew when its last client leaves, and whoever comes at that moment is not let in.
    command = ["Xvfb", "-noreset", "-displayfd", str(writing), "-nolisten", "tcp"]
    command += ["-screen", "0", f"{size[0]}x{size[1]}x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:  # noqa: S603
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        if not number:
            raise RuntimeError("Xvfb does not start")
        try:
            yield VirtualDesktop(f":{number}")
        finally:
            server.terminate()
