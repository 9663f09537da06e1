from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from models.artefact import ArtefactError, ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.loading import load_face, load_voice
from models.onnx_engine import OnnxFace, OnnxVoice
from models.quantise import quantise_face, quantise_voice
from models.registry import build
from models.torch_engine import Calibrated

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


def pieces(astronaut: np.ndarray, count: int) -> np.ndarray:
    """Grey pieces [count, 48, 48, 1] of a photograph."""
    grey = astronaut.mean(axis=2).astype(np.uint8)
    places = np.random.default_rng(0).integers(0, 460, (count, 2))
    return np.stack([grey[y : y + 48, x : x + 48, None] for y, x in places])


def test_integers_say_what_floating_point_says(
    tmp_path: Path, astronaut: np.ndarray, settle: Callable[[Any, Any], None]
) -> None:
    torch.manual_seed(0)
    options = {"width": 16, "blocks": (1, 1), "strides": (2, 2)}
    network = build("face_resnet", options)
    crops = pieces(astronaut, 32)
    settle(network, torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    info = ArtefactInfo("small", "face", "face_resnet", options, size=48, channels=1, geometry=FER2013)
    export_onnx(Calibrated(network, info).eval(), tmp_path / "small.onnx")
    quantise_face(tmp_path / "small.onnx", tmp_path / "small_int8.onnx", crops)
    before, after = OnnxFace(tmp_path / "small.onnx"), OnnxFace(tmp_path / "small_int8.onnx")
    assert after.name == "small_int8"
    assert (after.size, after.channels, after.geometry, after.traits) == (48, 1, FER2013, before.traits)
    old, new = before.predict(crops), after.predict(crops)
    assert new.sum(axis=1) == pytest.approx(np.ones(32), abs=1e-5)
    assert np.abs(old - new).max() < 0.1 * np.ptp(old)
    assert np.abs(old - new).max() > 0  # it is another network
    assert (tmp_path / "small_int8.onnx").stat().st_size < (tmp_path / "small.onnx").stat().st_size
    graph = onnx.load(tmp_path / "small_int8.onnx").graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    floating = [node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in makers]
    assert ["stem" in name for name in floating] == [True]  # it sees a single channel
    assert "AveragePool" not in makers.values()  # which is slow: shortcuts are one strided convolution each


def test_an_artefact_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="expected a voice model"):
        quantise_voice(WEIGHTS / "fer_resnet.onnx", tmp_path / "face_int8.onnx", sounds(1))
    with pytest.raises(ArtefactError, match="expected a face model"):
        quantise_face(WEIGHTS / "audio_bilstm.onnx", tmp_path / "voice_int8.onnx", np.zeros((1, 48, 48, 1), np.uint8))
    assert not list(tmp_path.iterdir())


SMALL_VOICES = {"cnn_mfcc": {"channels": 8, "hidden": 8}, "res_lstm": {"hidden": 8}, "audio_bilstm": {
    "channels": 8, "hidden": 8, "layers": 1}}  # fmt: skip


@pytest.mark.parametrize("name", SMALL_VOICES)
def test_of_a_voice_network_what_was_learned_is_quantised_and_no_feature(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    torch.manual_seed(0)
    source, target = tmp_path / "voice.onnx", tmp_path / "voice_int8.onnx"
    info = ArtefactInfo("voice", "voice", name, SMALL_VOICES[name])
    export_onnx(Calibrated(build(name, SMALL_VOICES[name]), info).eval(), source)
    quantise_voice(source, target, sounds(8))
    graph = onnx.load(target).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    convolutions = {node.name: makers.get(node.input[1]) for node in graph.node if node.op_type == "Conv"}
    features = {node for node in convolutions if {"log_mel", "cepstrum", "deltas"} & set(node.split("/"))}
    assert len(features) >= 5
    assert {convolutions[node] for node in features} <= {None, "Constant"}
    assert all(convolutions[node] == "DequantizeLinear" for node in convolutions.keys() - features)
    assert ("DynamicQuantizeLSTM" in makers.values()) == ("lstm" in name) and "LSTM" not in makers.values()
    old, new = OnnxVoice(source).predict(sounds(8)), OnnxVoice(target).predict(sounds(8))
    assert 0 < np.abs(old - new).max() < 0.05
    assert not list(Path.cwd().iterdir())


def test_what_is_all_features_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, options = tmp_path / "voice.onnx", SMALL_VOICES["cnn_mfcc"]
    export_onnx(
        Calibrated(build("cnn_mfcc", options), ArtefactInfo("voice", "voice", "cnn_mfcc", options)).eval(), source
    )
    monkeypatch.setattr("models.quantise.FIXED", frozenset({"log_mel", "cepstrum", "deltas", "body"}))
    with pytest.raises(ArtefactError, match="neither a convolution nor an LSTM"):
        quantise_voice(source, tmp_path / "voice_int8.onnx", sounds(2))
    assert not list(tmp_path.glob("*_int8*"))


def test_the_shipped_integers_say_what_the_shipped_network_says(astronaut: np.ndarray) -> None:
    face = astronaut[70:190, 165:285].mean(axis=2).astype(np.uint8)
    crops = np.stack([face[::2, ::2][6 + k : 54 + k, 6 - k : 54 - k, None] for k in range(6)])
    old, new = (load_face(name, engine="onnx", weights_dir=WEIGHTS) for name in ("fer_resnet", "fer_resnet_int8"))
    np.testing.assert_allclose(old.predict(crops), new.predict(crops), atol=0.08)
    assert (old.size, old.channels, old.geometry, old.traits) == (new.size, new.channels, new.geometry, new.traits)


def sounds(count: int) -> np.ndarray:
    """Tones that swell and fade, each of a pitch and a loudness of its own [count, 16000]."""
    rng, times = np.random.default_rng(0), np.arange(16_000) / 16_000
    pitches, gains = rng.uniform(90, 400, (count, 1)), rng.uniform(0.02, 0.5, (count, 1))
    waves = sum(np.sin(2 * np.pi * pitches * k * times) / k for k in range(1, 9))
    swelling = 1 + np.sin(2 * np.pi * rng.uniform(1, 6, (count, 1)) * times)
    return (8000 * gains * waves * swelling + rng.normal(0, 20, (count, 16_000))).clip(-32768, 32767).astype(np.int16)


def test_a_voice_network_in_integers_says_what_it_says_in_floating_point(tmp_path: Path) -> None:
    source, target = WEIGHTS / "audio_bilstm.onnx", tmp_path / "voice_int8.onnx"
    windows, references = sounds(24), np.random.default_rng(1).normal(0, 0.2, (24, 80)).astype(np.float32)
    quantise_voice(source, target, windows)
    before, after = OnnxVoice(source), OnnxVoice(target)
    assert after.name == "voice_int8"
    assert (after.traits, after.heard) == (before.traits, before.heard)
    for who in (None, references):
        old, new = before.predict(windows, who), after.predict(windows, who)
        assert new.sum(axis=1) == pytest.approx(np.ones(24), abs=1e-5)
        apart = np.sort(np.abs(old - new).max(axis=1))
        # Such tones are neither a voice nor none: of one or the other the network may be about to think otherwise.
        assert 0 < apart[-2] < 0.1 * np.ptp(old)
        assert apart.mean() < 0.02
    # The spectrogram stays as it is, and with it what a person's reference is made of.
    np.testing.assert_allclose(after.answer(windows)[1], before.answer(windows)[1], atol=1e-5)
    assert target.stat().st_size < 0.5 * source.stat().st_size


def test_the_shipped_voice_in_integers_says_what_the_shipped_one_says_whoever_else_asks() -> None:
    windows = sounds(16)
    old, new = (load_voice(name, engine="onnx", weights_dir=WEIGHTS) for name in ("audio_bilstm", "audio_bilstm_int8"))
    together = new.predict(windows)
    apart = np.abs(old.predict(windows) - together)
    assert apart.mean() < 0.01
    assert apart.max() < 0.15  # of a tone, which is no speech; of people's the card tells
    # The LSTM takes the range of its inputs from the whole call.
    np.testing.assert_allclose(np.concatenate([new.predict(row[None]) for row in windows]), together, atol=0.01)
    assert (old.traits, old.heard) == (new.traits, new.heard)
