"""The microphone through the real PortAudio: a PulseAudio server without hardware plays what the test speaks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest

from app.settings import ROOT

NEEDED = [program for program in ("pulseaudio", "pactl", "pacat") if shutil.which(program) is None]
if find_library("portaudio") is None:
    NEEDED.append("libportaudio2")
if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
    NEEDED.append("libasound2-plugins")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux" or bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}"),
]

RATE, TONE, SECONDS = 48_000, 440, 2.0
LISTEN = f"""
import time
import numpy as np
from scripts.webcam.sounds import Microphone
microphone, parts, began = Microphone(), [], None
for chunk in microphone.chunks():
    if len(chunk) and began is None:
        began = time.monotonic()
    parts.append(chunk)
    if sum(map(len, parts)) >= {SECONDS} * 16000:
        microphone.close()
sound = np.concatenate(parts)
spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
print(sound.dtype, len(sound), time.monotonic() - began, spectrum.argmax() * 16000 / len(sound), np.abs(sound).max())
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A sound server whose microphone hears what is played to it; yields the environment for its clients."""
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    socket = tmp_path / "socket"
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PULSE_SERVER": f"unix:{socket}",
    }
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-level=error"]
    command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"]
    command += ["-L", "module-null-sink rate=48000 channels=1"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as pulse:
        try:
            for _ in range(200):
                asked = subprocess.run(
                    [shutil.which("pactl") or "", "info"], env=environment, capture_output=True, check=False
                )
                if asked.returncode == 0:
                    break
            yield environment
        finally:
            pulse.terminate()


def test_the_microphone_hears_what_is_played_in_real_time(server: dict[str, str], tmp_path: Path) -> None:
    tone = (10_000 * np.sin(2 * np.pi * TONE * np.arange(20 * RATE) / RATE)).astype("<i2")
    (tmp_path / "tone.raw").write_bytes(tone.tobytes())
    play = ["pacat", f"--rate={RATE}", "--channels=1", "--format=s16le", str(tmp_path / "tone.raw")]
    with subprocess.Popen(play, env=server) as player:
        try:
            done = subprocess.run(
                [sys.executable, "-c", LISTEN], cwd=ROOT, env=server, capture_output=True, text=True, check=False
            )
        finally:
            player.kill()
    assert done.returncode == 0, done.stderr
    kind, count, seconds, pitch, loudest = done.stdout.split()
    assert kind == "int16"
    assert int(count) == pytest.approx(SECONDS * 16_000, abs=1_600)
    assert float(seconds) == pytest.approx(SECONDS, abs=0.5)
    assert float(pitch) == pytest.approx(TONE, abs=2)
    assert int(loudest) > 5_000
