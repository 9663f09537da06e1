import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from models.detection import FaceDetector
from scripts.measure_tracking import main

PICTURES, RATE = 24, 8


def film(path: Path, step: float, blank: bool = False) -> Path:
    """A portrait that goes to the right, so many pixels from picture to picture."""
    whole = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (480, 360))
    for number in range(PICTURES):
        moved = cv2.warpAffine(whole, np.array([[1, 0, number * step - 40], [0, 1, 0.0]]), (480, 360))
        video.write(np.zeros_like(moved) if blank else moved)
    video.release()
    return path


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["measure_tracking", *map(str, arguments)])
    main()
    return capsys.readouterr().out


def test_a_face_that_moves_is_followed_and_the_answers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = said(monkeypatch, capsys, film(tmp_path / "slow.avi", 2), "--interval", 0.5, "--detect-every", 3)
    # Four pictures lie in half a second, so that it is played four times, six frames each: four of them followed.
    assert "24 frames; followed in 16 (67%), lost in 0" in printed
    moved, missed = (float(share) for share in re.findall(r"by ([\d.]+) of the box", printed))
    face = FaceDetector().detect(np.ascontiguousarray(skimage.data.astronaut()[:360, :480]))
    assert face is not None and moved == pytest.approx(8 / (face.box.width * 480), abs=0.05)  # the detector trembles
    assert missed < 0.08
    assert float(re.search(r"the same label in ([\d.]+)%", printed)[1]) >= 90  # type: ignore[index]
    assert "detector" in printed and "following" in printed


def test_a_face_that_jumps_is_lost_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = film(tmp_path / "slow.avi", 1), film(tmp_path / "fast.avi", 12)
    printed = said(monkeypatch, capsys, slow, fast, "--interval", 0.5, "--detect-every", 100)
    followed, lost = map(int, re.findall(r"followed in (\d+) .*lost in (\d+)", printed)[0])
    assert followed >= 20 and lost >= 12


def test_what_cannot_be_measured_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["measure_tracking", str(tmp_path / "none.avi")])
    with pytest.raises(SystemExit):
        main()
    monkeypatch.setattr("sys.argv", ["measure_tracking", str(film(tmp_path / "blank.avi", 0, blank=True))])
    with pytest.raises(SystemExit, match="no face was followed"):
        main()
