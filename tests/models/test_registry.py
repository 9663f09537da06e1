"""Every network of the registry: it builds, learns, is saved, comes back, and runs the same in ONNX Runtime."""

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import models
from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import TOLERANCE, export_onnx
from models.features import N_MFCC
from models.inference import SAMPLE_RATE
from models.labels import LABELS
from models.loading import load_face, load_fusion, load_voice
from models.networks.cepstral import Deltas
from models.networks.concat import Embedding
from models.networks.pixels import Prepare
from models.registry import (
    Entry,
    OptionError,
    PretrainedError,
    UnknownNetworkError,
    build,
    entry,
    list_models,
)
from models.torch_engine import Calibrated

BATCH = 8
CLASSES = len(LABELS)


def waveforms(count: int, samples: int, seed: int = 0) -> Tensor:
    """Return one tone for each label, in noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / SAMPLE_RATE
    pitch = 150.0 * 1.4 ** (torch.arange(count) % CLASSES)
    tones = 0.2 * torch.sin(2 * math.pi * pitch.unsqueeze(1) * time)
    return tones + 0.02 * torch.randn(count, samples, generator=generator)


def crops(count: int, channels: int, size: int, seed: int = 0) -> Tensor:
    """Return stripes of one angle for each label, in noise; values 0..255."""
    generator = torch.Generator().manual_seed(seed)
    across = torch.linspace(-1, 1, size)
    angle = (torch.arange(count) % CLASSES) * (math.pi / CLASSES)
    angle = angle.reshape(-1, 1, 1)
    stripes = torch.sin(6 * (angle.cos() * across + angle.sin() * across.unsqueeze(1)))
    pictures = 127 + 80 * stripes.unsqueeze(1) + 10 * torch.randn(count, channels, size, size, generator=generator)
    return pictures.clamp(0, 255)


def inputs(known: Entry, count: int = BATCH, samples: int = SAMPLE_RATE, seed: int = 0) -> tuple[Tensor, ...]:
    """Return a batch of what a network takes; face crops of 48 pixels, as the smallest data set has them."""
    size, channels = 48, 1 if known.kind == "fusion" else known.input.channels
    sound = (waveforms(count, samples, seed),) if known.input.waveform else ()
    return (*sound, crops(count, channels, size, seed)) if known.input.size else sound


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module", params=list_models())
def trained(request: pytest.FixtureRequest) -> tuple[Entry, nn.Module, list[float]]:
    """Each network after a few steps on one batch, with the loss before each step."""
    torch.manual_seed(0)
    known = entry(request.param)
    network = known.build(known.tiny)
    batch, labels = inputs(known), torch.arange(BATCH) % CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(6):
        loss = nn.functional.cross_entropy(network.train()(*batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    settle(network, tuple(torch.cat([part, noise_like(part)]) for part in batch))
    return known, network, losses


def noise_like(part: Tensor) -> Tensor:
    """Return what the export is tried on: white noise in waveforms [B, N] and in crops [B, C, H, W]."""
    return 0.1 * torch.randn_like(part) if part.ndim == 2 else 255 * torch.rand_like(part)


@torch.no_grad()
def settle(network: nn.Module, batch: tuple[Tensor, ...]) -> None:
    """Set the batch norms to the batch, as longer training would: else answers hardly depend on the input."""
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(*batch)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()


@torch.no_grad()
def logits_of(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    logits: Tensor = network.eval()(*batch)
    return logits


def test_it_learns(trained: tuple[Entry, nn.Module, list[float]]) -> None:
    _, _, losses = trained
    assert sum(losses[-2:]) / 2 < 0.97 * losses[0]  # dropout makes single losses jump


def test_its_answer_depends_on_each_input(trained: tuple[Entry, nn.Module, list[float]]) -> None:
    known, network, _ = trained
    given = inputs(known)
    logits = logits_of(network, given)
    assert logits.shape == (BATCH, CLASSES)
    for index, part in enumerate(given):
        swapped = (*given[:index], part.roll(1, dims=0), *given[index + 1 :])
        assert (logits_of(network, swapped) - logits).abs().max() > 0.01


def artefact(known: Entry, network: nn.Module) -> Calibrated:
    size, channels = inputs(known)[-1].shape[-1], inputs(known)[-1].shape[1]
    crops_taken = {"size": size, "channels": channels, "geometry": FER2013} if known.input.size else {}
    return Calibrated(network, ArtefactInfo(known.name, known.kind, known.name, dict(known.tiny), **crops_taken)).eval()


def test_its_artefact_comes_back(trained: tuple[Entry, nn.Module, list[float]], tmp_path: Path) -> None:
    known, network, _ = trained
    artefact(known, network).save(tmp_path / "it.pt")
    batch = inputs(known, seed=1)
    assert not torch.equal(logits_of(build(known.name, known.tiny), batch), logits_of(network, batch))
    other = Calibrated.load(tmp_path / "it.pt", known.kind).network
    torch.testing.assert_close(logits_of(other, batch), logits_of(network, batch), rtol=0, atol=0)


def test_both_engines_say_the_same(trained: tuple[Entry, nn.Module, list[float]], tmp_path: Path) -> None:
    known, network, _ = trained
    model = artefact(known, network)
    assert export_onnx(model, tmp_path / f"{known.name}.onnx") <= TOLERANCE  # of batches and windows of several sizes
    model.save(tmp_path / f"{known.name}.pt")
    load = {"voice": load_voice, "face": load_face, "fusion": load_fusion}[known.kind]
    onnx, torch_ = (load(known.name, engine=engine, weights_dir=tmp_path) for engine in ("onnx", "torch"))
    given = [
        (part * 32767).to(torch.int16).numpy() if part.ndim == 2 else part.to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for part in inputs(known, 3, 12_345, seed=2)
    ]
    probs = onnx.predict(*given)
    assert np.ptp(probs, axis=0).max() > 0.001  # else any answer would do
    np.testing.assert_allclose(probs, torch_.predict(*given), atol=TOLERANCE)


def test_its_head_ends_in_the_classifier(trained: tuple[Entry, nn.Module, list[float]]) -> None:
    known, _, _ = trained
    network = known.build({**known.tiny, "classes": 4})
    batch = inputs(known, 2)
    assert logits_of(network, batch).shape == (2, 4)
    whole = sum(values.numel() for values in network.parameters())
    features = Embedding(network)
    assert logits_of(features, batch).shape == (2, features.width)
    left = sum(values.numel() for values in features.parameters())
    assert (whole - left) in {4 * (features.width + 1), 4 * (9 * features.width + 1)}


@pytest.mark.parametrize("name", list_models())
def test_what_is_said_of_it(name: str) -> None:
    known = entry(name)
    assert known.name == name
    assert known.source and known.licence and known.recipe.epochs > 0
    assert set(known.labels) <= {*LABELS, "calm", "contempt"}
    assert bool(known.finetuning) == known.pretrained == (known.weights is not None)
    assert known.input.waveform == (known.kind != "face")
    assert bool(known.input.size) == (known.kind != "voice")
    assert set(known.tiny) <= set(known.options)
    assert {"classes"} <= set(known.options)


@pytest.mark.parametrize(("name", "published"), [
    ("resnet18", 11_689_512 - 1000 * 513 + 7 * 513), ("mini_xception", 58_423 - 2 * 736), ("res_lstm", 41_000),
])  # fmt: skip
def test_the_parameters_are_those_published(name: str, published: int) -> None:
    # mini-Xception's authors count the running statistics of its batch norms, 736 means and 736 variances; ResLSTM's
    # have six inputs more.
    assert entry(name).parameters() == pytest.approx(published, rel=1e-3)


def test_the_published_reslstm_has_a_third_of_its_parameters_in_its_first_lstm() -> None:
    lstm = build("res_lstm", {"hidden": 32}).get_submodule("first")
    assert sum(values.numel() for values in lstm.parameters()) == 4 * N_MFCC * (2 * N_MFCC + 2)


def test_the_list() -> None:
    assert models.list_models("voice") == ["audio_bilstm", "cnn_mfcc", "mobilevit_xs", "res_lstm", "wav2vec2"]
    assert {"mobilevit_xxs", "mobilenetv3", "resnet18", "resnet50", "cnn48"} <= set(models.list_models("face"))
    assert models.list_models("fusion") == ["concat"]
    assert models.list_models("face", "mobile*") == ["mobilenetv3", "mobilevit_xxs"]
    by_kind = [name for kind in ("voice", "face", "fusion") for name in models.list_models(kind)]
    assert sorted(by_kind) == models.list_models()
    with pytest.raises(ValueError, match="voice, face, fusion"):
        list_models("text")


@given(st.text())
def test_an_unknown_name_is_told_so(name: str) -> None:
    if name in list_models():
        return
    with pytest.raises(UnknownNetworkError, match=r"did you mean|there are"):
        build(name, {})


def test_near_names_are_offered() -> None:
    with pytest.raises(UnknownNetworkError, match="did you mean resnet18"):
        build("resnet81", {})
    with pytest.raises(UnknownNetworkError, match="no voice network 'resnet18'"):
        entry("resnet18", "voice")
    with pytest.raises(UnknownNetworkError, match="no face network 'wav2vec2'"):
        build("concat", {"face": "wav2vec2"})


def test_an_unknown_option_is_told_so() -> None:
    with pytest.raises(OptionError, match="resnet18 takes no option sise; it takes size, dropout, classes"):
        build("resnet18", {"sise": 48})
    with pytest.raises(OptionError, match="pretrained"):
        build("resnet18", {"pretrained": True})  # an artefact's options never reach for the network
    with pytest.raises(ValueError, match="no size 'huge'"):
        build("wav2vec2", {"size": "huge"})


def test_importing_the_registry_loads_no_library_of_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "models.registry" or name.startswith("models.networks")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("registry", "networks"):
        monkeypatch.setattr(models, name, getattr(models, name))  # puts back what the import replaces
    for library in ("timm", "torchvision", "transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, library, None)
    assert importlib.import_module("models.registry").list_models() == list_models()


def test_importing_the_package_loads_no_torch() -> None:
    says = "import sys, models; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", says], check=True, timeout=60)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and the hub's own switch for machines without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def publish(hub: Path, repository: str) -> Path:
    """Return the folder for the files of a repository in the hub's cache."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    files = folder / "snapshots" / ("0" * 40)
    files.mkdir(parents=True)
    return files


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevit_xs", "wav2vec2", "concat"])
def test_without_the_hub_its_name_is_told(name: str, hub: Path) -> None:
    weights = entry("wav2vec2" if name == "concat" else name).weights
    assert weights is not None
    with pytest.raises(PretrainedError, match=rf"huggingface.co/{re.escape(weights.hub)} .*pretrained=False"):
        entry(name).build(pretrained=True)


def test_weights_that_nobody_published_are_not_looked_for(hub: Path) -> None:
    for name, options in (("cnn48", {}), ("concat", {"voice": "cnn_mfcc", "face": "cnn48"})):
        with pytest.raises(PretrainedError, match="nobody publishes weights for"):
            build(name, options, pretrained=True)
    with pytest.raises(PretrainedError, match="of size base"):
        build("wav2vec2", {"size": "small"}, pretrained=True)


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevit_xs"])
def test_published_weights_are_loaded_but_for_the_classifier(name: str, hub: Path) -> None:
    import timm
    from safetensors.torch import save_file

    known = entry(name)
    assert known.weights is not None
    published = timm.create_model(known.weights.hub.removeprefix("timm/")).state_dict()
    save_file(published, publish(hub, known.weights.hub) / "model.safetensors")
    mine = known.build(pretrained=True).get_submodule("backbone").state_dict()
    assert {key for key in published if not key.startswith("head.")} == set(mine)
    stem = "stem.conv.weight"
    for key in mine.keys() - {stem}:
        torch.testing.assert_close(mine[key], published[key], rtol=0, atol=0)
    expected = published[stem] if known.kind == "face" else published[stem].sum(dim=1, keepdim=True)
    torch.testing.assert_close(mine[stem], expected)


def test_published_wav2vec2_is_loaded(hub: Path) -> None:
    small = build("wav2vec2", {"size": "small"}).get_submodule("backbone")
    small.save_pretrained(publish(hub, "facebook/wav2vec2-base"))  # type: ignore[operator]
    mine = build("wav2vec2", {}, pretrained=True).get_submodule("backbone")
    for key, values in small.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[key], values, rtol=0, atol=0)


def test_deltas_are_those_of_librosa() -> None:
    mfcc = np.random.default_rng(0).normal(size=(N_MFCC, 51)).astype(np.float32)
    value, slope, curve = Deltas()(torch.from_numpy(mfcc).unsqueeze(0))[0].numpy()
    np.testing.assert_array_equal(value, mfcc)
    for order, got in ((1, slope), (2, curve)):
        expected = librosa.feature.delta(mfcc, width=9, order=order, mode="nearest")
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_crops_of_any_side_and_colour_become_what_the_backbone_knows() -> None:
    prepare = Prepare(96, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    grey = torch.full((2, 1, 48, 48), 255.0)
    torch.testing.assert_close(prepare(grey), torch.full((2, 3, 96, 96), 2.0))
    torch.testing.assert_close(prepare(grey.expand(2, 3, 48, 48)), prepare(grey))
