from pathlib import Path

import cv2
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from models.crop import CropGeometry, apply_geometry
from models.inference import Box
from models.labels import LABELS
from scripts.measure_crop import geometry_between, main

shares = st.floats(0.05, 0.9)


@given(
    st.builds(Box, shares, shares, shares, shares),
    st.builds(CropGeometry, st.floats(0.3, 3), st.floats(-1, 1), st.floats(-1, 1)),
)
def test_a_measured_geometry_leads_back_to_the_picture(box: Box, geometry: CropGeometry) -> None:
    found = geometry_between(box, apply_geometry(box, geometry, 640, 480), 640, 480)
    assert found.scale == pytest.approx(geometry.scale)
    assert found.shift_x == pytest.approx(geometry.shift_x, abs=1e-9)
    assert found.shift_y == pytest.approx(geometry.shift_y, abs=1e-9)


def test_the_command_prints_how_pictures_frame_a_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    face = cv2.cvtColor(skimage.data.astronaut()[68:188, 164:284], cv2.COLOR_RGB2GRAY)
    for label in LABELS:
        folder = tmp_path / "train" / label
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "1.jpg"), cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA))
    monkeypatch.setattr("sys.argv", ["measure_crop", "--fer2013", str(tmp_path), "--per-class", "1"])
    main()
    printed = capsys.readouterr().out
    assert "found 7 of 7" in printed
    # The picture is 120 pixels wide and her face about 95.
    scale = float(printed.split("scale")[1].split()[0])
    assert scale == pytest.approx(120 / 95, rel=0.15)
