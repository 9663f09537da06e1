"""The shipped artefacts."""

from pathlib import Path

import numpy as np
import pytest

from models.artefact import METADATA_KEY
from models.calibration import REFERENCE
from models.loading import load_face, load_fusion, load_voice
from models.onnx_engine import open_session

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
RNG = np.random.default_rng(5)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 4.0])
def test_voice_graph_and_network_agree(seconds: float) -> None:
    windows = (RNG.standard_normal((4, round(seconds * 16_000))) * 2000).astype(np.int16)
    onnx, torch = (load_voice("audio_bilstm", engine=engine, weights_dir=WEIGHTS) for engine in ("onnx", "torch"))
    np.testing.assert_allclose(onnx.predict(windows), torch.predict(windows), atol=1e-4)
    someone = (RNG.standard_normal((4, REFERENCE)) * 0.3).astype(np.float32)
    np.testing.assert_allclose(onnx.predict(windows, someone), torch.predict(windows, someone), atol=1e-4)
    assert onnx.traits == torch.traits


def test_face_graph_and_network_agree() -> None:
    crops = RNG.integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    onnx, torch = (load_face("fer_resnet", engine=engine, weights_dir=WEIGHTS) for engine in ("onnx", "torch"))
    np.testing.assert_allclose(onnx.predict(crops), torch.predict(crops), atol=1e-4)


def test_the_fusion_model_answers_by_both_that_it_hears_and_sees() -> None:
    model = load_fusion("concat", engine="onnx", weights_dir=WEIGHTS)
    windows = (RNG.standard_normal((4, 16_000)) * 2000).astype(np.int16)
    crops = RNG.integers(0, 256, (4, model.size, model.size, model.channels), dtype=np.uint8)
    probs = model.predict(windows, crops)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(probs - model.predict(windows[::-1].copy(), crops)).max() > 1e-3
    assert np.abs(probs - model.predict(windows, crops[::-1].copy())).max() > 1e-3


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.onnx")), ids=lambda path: path.stem)
def test_each_artefact_has_its_card_and_is_small(path: Path) -> None:
    assert all(file.stat().st_size < 20e6 for file in path.parent.glob(f"{path.stem}.*"))
    assert "Made by `python -m scripts." in path.with_suffix(".md").read_text()
    assert METADATA_KEY in open_session(path, 1).get_modelmeta().custom_metadata_map
