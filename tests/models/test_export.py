"""From a network to both files and the engines that serve them: all give the same numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import export
from models.artefact import ArtefactError, ArtefactInfo
from models.calibration import REFERENCE
from models.crop import FER2013
from models.export import TOLERANCE, export_onnx
from models.inference import Float32, FusionModel, UInt8, VoiceModel
from models.labels import LABELS
from models.loading import load_face, load_fusion, load_voice
from models.onnx_engine import open_session
from models.registry import build
from models.torch_engine import Calibrated
from models.voice_batches import set_population
from tests.models.voices import people, small_network

NEUTRAL = (0.1, 0.05, 0.05, 0.1, 0.5, 0.15, 0.05)
ENGINES = ("onnx", "torch")


def store(folder: Path, *, adaptive: bool) -> Calibrated:
    """Write both files of a small network with random weights, `NAME` being whether it is adaptive."""
    network = small_network(adaptive=adaptive)
    if adaptive:
        set_population(network, people({"ravdess-02": ["neutral", "happy"], "ravdess-03": ["neutral", "sad"]}))
    info = ArtefactInfo(
        "adaptive" if adaptive else "plain", "voice", "audio_bilstm",
        {"channels": 16, "hidden": 12, "layers": 1, "adaptive": adaptive},
        temperature=0.7, heard=("ravdess-02",), adaptive=adaptive, sharpening=0.4, neutral=NEUTRAL,
    )  # fmt: skip
    model = Calibrated(network, info).eval()
    assert export_onnx(model, folder / f"{info.name}.onnx") <= TOLERANCE
    model.save(folder / f"{info.name}.pt")
    return model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for adaptive in (True, False):
        store(folder, adaptive=adaptive)
    return folder


def engines(name: str, weights: Path) -> list[VoiceModel]:
    return [load_voice(name, engine=engine, weights_dir=weights) for engine in ENGINES]


def windows(count: int, seconds: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal((count, round(seconds * 16_000))) * 3000
    return samples.astype(np.int16)


def references(count: int, seed: int = 0) -> Float32:
    return (np.random.default_rng(seed).standard_normal((count, REFERENCE)) * 0.5).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 0.777, 1.0, 4.0])
@pytest.mark.parametrize("count", [1, 5])
def test_engines_agree_about_whom_they_know_and_whom_they_do_not(weights: Path, seconds: float, count: int) -> None:
    onnx, torch_ = engines("adaptive", weights)
    given, who = windows(count, seconds), references(count)
    known = onnx.predict(given, who)
    assert known.shape == (count, 7)
    np.testing.assert_allclose(known.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(known, torch_.predict(given, who), atol=TOLERANCE)
    unknown = onnx.predict(given)
    np.testing.assert_allclose(unknown, torch_.predict(given), atol=TOLERANCE)
    assert np.abs(known - unknown).max() > 10 * TOLERANCE


@pytest.mark.parametrize("engine", ENGINES)
def test_zeros_are_nobody_known(weights: Path, engine: str) -> None:
    model = load_voice("adaptive", engine=engine, weights_dir=weights)
    given = windows(2, 1.0)
    np.testing.assert_array_equal(model.predict(given, np.zeros((2, REFERENCE), np.float32)), model.predict(given))


@pytest.mark.parametrize("seconds", [0.5, 1.0, 4.0])
def test_engines_agree_about_how_a_person_sounds(weights: Path, seconds: float) -> None:
    onnx, torch_ = engines("adaptive", weights)
    (_, said), (_, other) = (model.answer(windows(3, seconds)) for model in (onnx, torch_))
    assert said is not None and other is not None
    assert said.shape == (3, REFERENCE)
    np.testing.assert_allclose(said, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_say_of_a_network_what_was_measured_of_it(weights: Path, engine: str) -> None:
    for name, adaptive in (("adaptive", True), ("plain", False)):
        model = load_voice(name, engine=engine, weights_dir=weights)
        assert (model.traits.adaptive, model.traits.sharpening, model.traits.neutral) == (adaptive, 0.4, NEUTRAL)
        assert (model.name, model.heard) == (name, {"ravdess-02"})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_that_is_not_adaptive_knows_nobody(weights: Path, engine: str) -> None:
    model = load_voice("plain", engine=engine, weights_dir=weights)
    given = windows(2, 1.0)
    np.testing.assert_array_equal(model.predict(given, references(2)), model.predict(given))
    assert model.answer(given)[1] is None


@pytest.mark.parametrize("adaptive", [True, False])
def test_what_a_network_cannot_say_is_nought_in_both_engines(tmp_path: Path, *, adaptive: bool) -> None:
    labels = ("sad", "angry", "neutral", "happy")
    torch.manual_seed(1)
    options = {"channels": 16, "hidden": 12, "layers": 1, "adaptive": adaptive, "classes": 4}
    network = build("audio_bilstm", options).eval()
    info = ArtefactInfo("four", "voice", "audio_bilstm", options, 0.7, labels, adaptive=adaptive)
    model = Calibrated(network, info).eval()
    assert export_onnx(model, tmp_path / "four.onnx") <= TOLERANCE
    model.save(tmp_path / "four.pt")
    given = windows(3, 1.0)
    with torch.inference_mode():
        own = torch.softmax(network(torch.from_numpy(given / np.float32(32768))) / 0.7, dim=1).numpy()
    assert np.ptp(own, axis=1).min() > 0.01  # so that another order would be noticed
    for served in engines("four", tmp_path):
        probs = served.predict(given)
        assert probs.shape == (3, 7)
        np.testing.assert_allclose(probs[:, [LABELS.index(label) for label in labels]], own, atol=TOLERANCE)
        assert not probs[:, [LABELS.index(label) for label in LABELS if label not in labels]].any()
        assert served.traits.labels == ("angry", "happy", "neutral", "sad")


def test_engines_divide_by_the_temperature(tmp_path: Path) -> None:
    model = store(tmp_path, adaptive=True)
    given = windows(2, 1.0)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(given / np.float32(32768)))
    for served in engines("adaptive", tmp_path):
        np.testing.assert_allclose(served.predict(given), torch.softmax(logits / 0.7, dim=1), atol=TOLERANCE)


def test_the_graph_gives_answers_without_a_fourier_transform(weights: Path) -> None:
    """Browsers' runtimes have none: the graph computes it as a convolution."""
    import onnx

    graph = onnx.load(weights / "adaptive.onnx").graph
    assert not {"STFT", "DFT"} & {node.op_type for node in graph.node}
    session = open_session(weights / "adaptive.onnx", 1)
    assert [(given.name, given.shape) for given in session.get_inputs()] == [
        ("waveform", ["batch", "samples"]),
        ("reference", ["batch", REFERENCE]),
    ]
    assert [given.name for given in open_session(weights / "plain.onnx", 1).get_inputs()] == ["waveform"]


def test_a_graph_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two ways of computing a spectrum agree to the last bit."""
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(RuntimeError, match=r"adaptive\.onnx: ONNX Runtime and PyTorch differ"):
        store(tmp_path, adaptive=True)
    assert not list(tmp_path.iterdir())


CONCAT = {
    "voice": "audio_bilstm", "voice_options": {"channels": 16, "hidden": 12, "layers": 1, "adaptive": True},
    "face": "mini_xception", "face_options": {"width": 4}, "hidden": 16, "classes": 3,
}  # fmt: skip
SIZE = 40


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files of feature fusion, with random weights, and those of a face network of the same crops."""
    folder = tmp_path_factory.mktemp("together")
    torch.manual_seed(0)
    info = ArtefactInfo(
        "both", "fusion", "concat", CONCAT, 0.7, ("sad", "angry", "happy"), SIZE, 1, FER2013, ("ravdess-02",),
        sharpening=0.4,
    )  # fmt: skip
    face = ArtefactInfo("face", "face", "mini_xception", {"width": 4}, size=48, channels=1, geometry=FER2013)
    for said in (info, face):
        model = Calibrated(build(said.network, said.options), said).eval()
        assert export_onnx(model, folder / f"{said.name}.onnx") <= TOLERANCE
        model.save(folder / f"{said.name}.pt")
    return folder


def faces(count: int, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.mark.parametrize(("count", "seconds"), [(1, 0.5), (5, 1.0), (2, 0.777), (1, 4.0)])
def test_engines_agree_about_what_is_heard_and_seen_at_once(together: Path, count: int, seconds: float) -> None:
    onnx, torch_ = (load_fusion("both", engine=engine, weights_dir=together) for engine in ENGINES)
    heard, seen = windows(count, seconds), faces(count)
    probs = onnx.predict(heard, seen)
    np.testing.assert_allclose(probs, torch_.predict(heard, seen), atol=TOLERANCE)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    assert not probs[:, [LABELS.index(label) for label in ("disgust", "fear", "neutral", "surprise")]].any()
    for other in (onnx.predict(windows(count, seconds, seed=1), seen), onnx.predict(heard, faces(count, seed=1))):
        assert np.abs(probs - other).max() > 10 * TOLERANCE


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_say_what_feature_fusion_takes(together: Path, engine: str) -> None:
    model: FusionModel = load_fusion("both", engine=engine, weights_dir=together)
    assert (model.name, model.size, model.channels, model.heard) == ("both", SIZE, 1, {"ravdess-02"})
    assert (model.traits.labels, model.traits.sharpening) == (("angry", "happy", "sad"), 0.4)
    assert load_fusion("both", engine=engine, weights_dir=together).geometry == FER2013


@pytest.mark.parametrize("engine", ENGINES)
def test_no_model_passes_for_one_of_another_kind(together: Path, tmp_path: Path, engine: str) -> None:
    with pytest.raises(ArtefactError, match="is a fusion model, expected a face model"):
        load_face("both", engine=engine, weights_dir=together)
    with pytest.raises(ArtefactError, match="is a fusion model, expected a voice model"):
        load_voice("both", engine=engine, weights_dir=together)
    with pytest.raises(ArtefactError, match="is a face model, expected a fusion model"):
        load_fusion("face", engine=engine, weights_dir=together)
    with pytest.raises(ArtefactError, match=r"models of this kind: both$"):
        load_fusion("nothing", engine=engine, weights_dir=together)
    suffix = ".onnx" if engine == "onnx" else ".pt"
    whole = (together / f"both{suffix}").read_bytes()
    (tmp_path / f"both{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtefactError, match=f"both{suffix}"):
        load_fusion("both", engine=engine, weights_dir=tmp_path)


def test_feature_fusion_that_does_not_frame_faces_is_refused(tmp_path: Path, together: Path) -> None:
    stored = torch.load(together / "both.pt", weights_only=True)
    info = ArtefactInfo.from_json(stored["info"])
    torch.save({**stored, "info": replace(info, geometry=None).to_json()}, tmp_path / "both.pt")
    with pytest.raises(ArtefactError, match=r"both\.pt does not say how faces are to be framed"):
        load_fusion("both", engine="torch", weights_dir=tmp_path)
