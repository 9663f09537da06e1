"""Prove a requirements file: fresh virtual environment, server up, a viewer gets a result that says something.

python -m scripts.check_install requirements-serve.txt
"""

import argparse
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300
PATIENCE = 60
"""Seconds to wait for a message, or for the end."""
RESULTS = 60
"""In which one has to be about both."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return once `/readyz` answers; exit with a message where it never does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"the server was not ready in {START_SECONDS} s")


def visit(port: int) -> None:
    """Stream a tone and a picture of nobody until a result is about both; runs in the new environment."""
    import cv2
    import numpy as np
    from websockets.sync.client import connect

    times = np.arange(8000) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12)) * 0.1
    pcm = (tone * 32767).astype("<i2").tobytes()
    wall = cv2.imencode(".jpg", np.full((480, 640, 3), 128, np.uint8))[1].tobytes()
    with connect(f"ws://127.0.0.1:{port}/ws") as viewer:
        ready = json.loads(viewer.recv(timeout=PATIENCE))
        for number in range(1, RESULTS + 1):
            # As much as is heard until the next result, and new each time: the machine may have other things to do.
            viewer.send(struct.pack("<BI", 1, number) + pcm)
            viewer.send(struct.pack("<BI", 2, number) + wall)
            result = json.loads(viewer.recv(timeout=PATIENCE))
            if result["type"] == "error":
                sys.exit(result["message"])
            if result["voice"]["state"] == "ok" and result["face"]["state"] == "no_face":
                print(f"serves {ready['models']}: voice {result['voice']['label']}, no face on a wall")
                return
    sys.exit("no result told of both the sound and the picture")


def main() -> None:
    """Parse the command line, install, serve, visit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", type=Path, nargs="?", default=ROOT / "requirements-serve.txt")
    parser.add_argument("--visit", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the server would be left behind
    if not options.requirements.is_file():
        parser.error(f"{options.requirements} is no file")
    if options.visit:
        visit(options.visit)
        return
    try:
        check(options.requirements)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)} ended with {error.returncode}")


def check(requirements: Path) -> None:
    """Install in an environment of its own, serve from there, and visit.

    Raises:
        subprocess.CalledProcessError: It cannot be installed, or the visit failed; both say why themselves.
    """
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv")  # where it is there, it does in seconds what takes pip minutes
        venv.create(folder, with_pip=uv is None)
        python = str(Path(folder, "bin", "python"))
        install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
        subprocess.run([*install, "-q", "-r", str(requirements)], check=True)
        port = free_port()
        command = [python, "-m", "uvicorn", "app:app", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "FACE_MODEL": "fer_resnet"})
        try:
            wait_until_ready(port, server)
            subprocess.run([python, "-m", "scripts.check_install", "--visit", str(port)], cwd=ROOT, check=True)
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


if __name__ == "__main__":
    main()
