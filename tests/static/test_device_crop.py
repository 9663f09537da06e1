"""The browser's crop against the server's, pixel by pixel: `static/js/device/crop.js` is run by Node."""

import base64
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import playwright
import pytest
from skimage.data import astronaut

from models.crop import CropGeometry, crop
from models.inference import Box

NODE = Path(playwright.__file__).parent / "driver" / "node"
MODULE = Path(__file__).resolve().parents[2] / "static/js/device/crop.js"
SCRIPT = f"""
import {{ readFileSync }} from "node:fs";
import {{ crop }} from {json.dumps(MODULE.as_uri())};
const crops = JSON.parse(readFileSync(0)).map(({{ pixels, width, height, box, framing, roll }}) => {{
    const data = new Uint8ClampedArray(Buffer.from(pixels, "base64"));
    return [...crop({{ data, width, height }}, box, framing, roll)];
}});
console.log(JSON.stringify(crops));
"""


def in_browser(cases):
    said = [
        {
            "pixels": base64.b64encode(np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]).tobytes()).decode(),
            "width": image.shape[1],
            "height": image.shape[0],
            "box": {"x": box.x, "y": box.y, "width": box.width, "height": box.height},
            "framing": {
                "size": size,
                "channels": channels,
                "geometry": {"scale": geometry.scale, "shift_x": geometry.shift_x, "shift_y": geometry.shift_y},
            },
            "roll": roll,
        }
        for image, box, geometry, size, channels, roll in cases
    ]
    command = [NODE, "--input-type=module", "-e", SCRIPT]
    done = subprocess.run(command, input=json.dumps(said), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("leaning", [False, True])
@pytest.mark.parametrize(("size", "channels"), [(48, 1), (64, 3), (260, 3)])
def test_a_crop_has_the_servers_pixels(size, channels, leaning):
    chance = np.random.default_rng(size + leaning)
    portrait = cv2.resize(astronaut(), (480, 360))
    noise = chance.integers(0, 256, (140, 200, 3), dtype=np.uint8)
    cases = []
    for image in (portrait, noise) * 5:
        height, width = image.shape[:2]
        side = chance.uniform(0.1, 0.9)  # enlarged and shrunk, within the frame and beyond its edges
        box = Box(*chance.uniform(-0.1, 0.7, 2), side, side * width / height * chance.uniform(0.9, 1.1))
        roll = chance.uniform(-0.6, 0.6) if leaning else 0.0
        cases.append((image, box, CropGeometry(1.19, 0.01, -0.11), size, channels, roll))
    for factor in (1, 2, 3):  # whole factors take another way through OpenCV
        box = Box(0.1, 0.1, factor * size / 480, factor * size / 360)
        cases.append((portrait, box, CropGeometry(1.0), size, channels, 0.2 if leaning else 0.0))
    for case, got in zip(cases, in_browser(cases), strict=True):
        wanted = crop(*case).transpose(2, 0, 1).ravel()
        np.testing.assert_array_equal(got, wanted)
