import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from models.download import DamagedFileError, Response, UnavailableError
from models.hsemotion import (
    CLASSES,
    ONNX_FILE,
    TORCH_FILE,
    HSEmotionOnnx,
    HSEmotionTorch,
    check_module,
    check_onnx,
    load_hsemotion,
    order_of,
)
from models.labels import LABELS

# timm 0.9.16 compiles with what torch now calls deprecated, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

# HSEmotion's own words for the project's labels, written out here so that the mapping is not its own judge.
THEIR_NAME = {
    "angry": "Anger",
    "disgust": "Disgust",
    "fear": "Fear",
    "happy": "Happiness",
    "neutral": "Neutral",
    "sad": "Sadness",
    "surprise": "Surprise",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own: the package makes its cache folder there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def crops(astronaut: np.ndarray) -> np.ndarray:
    """Four different crops [4, 260, 260, 3]."""
    corners = ((0, 120), (200, 200), (100, 20), (240, 40))
    return np.stack([astronaut[y : y + 260, x : x + 260] for y, x in corners])


def unreachable(url: str, timeout: float) -> Response:
    raise OSError("no network")


def test_the_onnx_engine_agrees_with_the_authors_preprocessing(hsemotion_cache: Path, crops: np.ndarray) -> None:
    module = torch.load(hsemotion_cache / "enet_b2_7.pt", weights_only=False)
    prepare = transforms.Compose(
        [
            transforms.Resize((260, 260)),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    with torch.inference_mode():
        raw = module(torch.stack([prepare(Image.fromarray(crop)) for crop in crops])).softmax(dim=1).numpy()
    probs = HSEmotionOnnx(hsemotion_cache / "enet_b2_7.onnx").predict(crops)
    assert probs.shape == (4, 7)
    assert probs.dtype == np.float32
    for place, label in enumerate(LABELS):
        np.testing.assert_allclose(probs[:, place], raw[:, CLASSES.index(THEIR_NAME[label])], atol=2e-4, err_msg=label)
    assert np.ptp(probs, axis=0).max() > 0.05  # the crops are told apart, so agreement means something


def test_both_engines_agree(hsemotion_cache: Path, crops: np.ndarray, home: Path) -> None:
    by_onnx = load_hsemotion("onnx", cache=hsemotion_cache, opener=unreachable).predict(crops)
    by_torch = load_hsemotion("torch", cache=hsemotion_cache, opener=unreachable).predict(crops)
    np.testing.assert_allclose(by_onnx, by_torch, atol=2e-4)
    np.testing.assert_allclose(by_torch.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_batch_gives_what_each_crop_gives_alone(
    hsemotion_cache: Path, crops: np.ndarray, home: Path, engine: str
) -> None:
    model = load_hsemotion(engine, cache=hsemotion_cache, opener=unreachable)
    alone = np.concatenate([model.predict(crops[k : k + 1]) for k in range(len(crops))])
    np.testing.assert_allclose(model.predict(crops), alone, atol=2e-4)


def test_the_packages_own_cache_is_the_default(
    hsemotion_cache: Path, home: Path, crops: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(hsemotion_cache, home / ".hsemotion")
    for engine in ("onnx", "torch"):
        model = load_hsemotion(engine, opener=unreachable)
        assert (model.name, model.size, model.channels) == ("enet_b2_7", 260, 3)
        assert model.predict(crops[:1]).shape == (1, 7)
    assert capsys.readouterr().out == ""  # the package's own chatter


def test_classes_are_mapped_by_name() -> None:
    assert [CLASSES[place] for place in order_of(CLASSES)] == [THEIR_NAME[label] for label in LABELS]
    shuffled = CLASSES[::-1]
    assert [shuffled[place] for place in order_of(shuffled)] == [THEIR_NAME[label] for label in LABELS]
    with pytest.raises(DamagedFileError, match="Contempt"):
        order_of(("Contempt", *CLASSES[1:]))
    with pytest.raises(DamagedFileError):
        order_of(CLASSES[:6])


class Attack:
    """Unpickling this makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("force_off", [False, True])
def test_a_pickle_that_does_more_is_refused_unexecuted(
    hsemotion_cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch, force_off: bool
) -> None:
    if force_off:  # torch's own protection can be switched off from outside
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    mark, cache = home / "executed", home / "cache"
    cache.mkdir()
    module = torch.load(hsemotion_cache / "enet_b2_7.pt", weights_only=False)
    module.extra = Attack(mark)
    torch.save(module, cache / "enet_b2_7.pt")
    with pytest.raises(UnavailableError, match=r"refused: it holds \w+\.mkdir"):
        load_hsemotion("torch", cache=cache, opener=unreachable)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Attack(mark)))  # noqa: S301 - the attack is a real one
    assert mark.exists()


def test_another_architecture_is_refused(home: Path) -> None:
    cache = home / "cache"
    cache.mkdir()
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 7)), cache / "enet_b2_7.pt")
    with pytest.raises(UnavailableError, match="could not be loaded"):
        load_hsemotion("torch", cache=cache, opener=unreachable)


def test_a_cut_file_is_no_network(hsemotion_cache: Path, tmp_path: Path) -> None:
    for name, check in (("enet_b2_7.onnx", check_onnx), ("enet_b2_7.pt", check_module)):
        check(hsemotion_cache / name)
        whole = (hsemotion_cache / name).read_bytes()
        for content in (whole[: len(whole) // 2], whole[:-1000], b"", b"<!DOCTYPE html>"):
            cut = tmp_path / name
            cut.write_bytes(content)
            with pytest.raises(DamagedFileError):
                check(cut)


def test_a_module_with_a_changed_byte_is_damaged(hsemotion_cache: Path, tmp_path: Path) -> None:
    content = bytearray((hsemotion_cache / "enet_b2_7.pt").read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "enet_b2_7.pt"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="is damaged"):
        check_module(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "enet_b2_7.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("enet/data.pkl", b"")
        archive.writestr("enet/data/0", bytes(TORCH_FILE.max_bytes + 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DamagedFileError, match="too much"):
        check_module(path)


def test_an_onnx_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    there = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["b", 3, 224, 224])
    out = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["b", 3, 224, 224])
    graph = helper.make_graph([helper.make_node("Relu", ["input"], ["output"])], "g", [there], [out])
    path = tmp_path / "enet_b2_7.onnx"
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 11)]), path)
    with pytest.raises(DamagedFileError, match="shapes"):
        check_onnx(path)


def test_without_a_network_the_message_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"enet_b2_7\.onnx could not be downloaded: no network"):
        load_hsemotion("onnx", cache=tmp_path, opener=unreachable)


def test_a_user_without_a_home_has_no_network_either() -> None:
    with pytest.raises(UnavailableError, match="home"):
        load_hsemotion("onnx", cache=Path("~nobody-of-this-name/.hsemotion"), opener=unreachable)


def test_both_files_are_published_over_https_with_their_content_id() -> None:
    for file, name in ((ONNX_FILE, "enet_b2_7.onnx"), (TORCH_FILE, "enet_b2_7.pt")):
        assert file.url.startswith("https://github.com/")
        assert file.url.endswith(f"/{file.filename}")
        assert file.filename == name
        assert file.git_blob is not None
        assert len(file.git_blob) == 40


def test_the_onnx_engine_imports_no_training_framework(hsemotion_cache: Path) -> None:
    code = (
        "import sys, pathlib, numpy as np\n"
        "from models.hsemotion import load_hsemotion\n"
        f"model = load_hsemotion('onnx', cache=pathlib.Path({str(hsemotion_cache)!r}))\n"
        "model.predict(np.zeros((1, 260, 260, 3), np.uint8))\n"
        "print(sorted({'torch', 'torchvision', 'timm', 'hsemotion', 'librosa'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_torch_engine_is_the_packages_recognizer(hsemotion_cache: Path, home: Path) -> None:
    from hsemotion.facial_emotions import HSEmotionRecognizer

    model = HSEmotionTorch(hsemotion_cache / "enet_b2_7.pt")
    assert isinstance(model._recognizer, HSEmotionRecognizer)
