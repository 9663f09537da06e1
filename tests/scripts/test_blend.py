"""Two artefacts of one network, one trained on from the other, are blended into a third."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.loading import load_face
from models.registry import build
from models.torch_engine import Calibrated
from scripts import blend
from tests.models.datasets.trees import faces_tree

VOICE = Path(__file__).resolve().parents[2] / "weights" / "audio_bilstm.pt"


def artefact(path: Path, seed: int, width: int = 8, network: str = "face_resnet") -> Calibrated:
    torch.manual_seed(seed)
    options = {"width": width} if network == "face_resnet" else {}
    info = ArtefactInfo(path.stem, "face", network, options, size=48, channels=1, geometry=FER2013)
    model = Calibrated(build(network, info.options), info).eval()
    model.save(path)
    return model


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> None:
    monkeypatch.setattr(sys, "argv", ["blend", str(folder / "old.pt"), str(folder / "new.pt"), "--fer2013",
                                      str(folder / "fer"), "--weights", str(folder / "out"), *more])  # fmt: skip
    blend.main()


def test_the_mixture_lies_between_the_two_and_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces_tree(tmp_path / "fer", per_label=20)
    old, new = artefact(tmp_path / "old.pt", 0), artefact(tmp_path / "new.pt", 1)
    run(monkeypatch, tmp_path, "--share", "0.25", "--name", "mixture")
    mixture = Calibrated.load(tmp_path / "out" / "mixture.pt")
    before, after = old.network.state_dict(), new.network.state_dict()
    for name, values in mixture.network.named_parameters():
        torch.testing.assert_close(values, 0.75 * before[name] + 0.25 * after[name])
    norms = [name for name in before if name.endswith("running_mean")]
    assert any(not torch.equal(mixture.network.state_dict()[name], before[name]) for name in norms)
    assert sum(mixture.info.neutral) == pytest.approx(1.0, abs=1e-5)
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    onnx, torch_ = (load_face("mixture", engine=e, weights_dir=tmp_path / "out") for e in ("onnx", "torch"))
    np.testing.assert_allclose(onnx.predict(crops), torch_.predict(crops), atol=1e-4)
    assert "0.25 of the way from old.pt to new.pt" in (tmp_path / "out" / "mixture.md").read_text()


def test_two_networks_cannot_be_blended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces_tree(tmp_path / "fer", per_label=2)
    artefact(tmp_path / "old.pt", 0)
    artefact(tmp_path / "new.pt", 1, width=16)
    with pytest.raises(SystemExit, match="not of one network"):
        run(monkeypatch, tmp_path)


def test_a_damaged_artefact_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact(tmp_path / "old.pt", 0)
    (tmp_path / "new.pt").write_bytes(b"nothing")
    with pytest.raises(
        SystemExit, match=r"new\.pt is not an artefact of this project: no weights can be read from it$"
    ):
        run(monkeypatch, tmp_path)
    (tmp_path / "new.pt").unlink()
    with pytest.raises(SystemExit, match=r"new\.pt: No such file or directory$"):
        run(monkeypatch, tmp_path)
    (tmp_path / "new.pt").write_bytes(VOICE.read_bytes())
    with pytest.raises(SystemExit, match="it is a voice model, expected a face model"):
        run(monkeypatch, tmp_path)


@pytest.mark.parametrize("wrong", [("--share", "5"), ("--share", "nan"), ("--name", "a/b")])
def test_what_is_no_share_or_no_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        run(monkeypatch, tmp_path, *wrong)
    assert wrong[0] in capsys.readouterr().err
