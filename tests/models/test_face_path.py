import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models import face_path
from models.artefact import ArtefactError, ArtefactInfo
from models.crop import FER2013, CropGeometry, Framing, crop
from models.detection import Detection, FaceDetector
from models.download import UnavailableError
from models.face_path import EMBEDDED_FACE, DetectedFacePath, load_face_path
from models.image import decode_jpeg
from models.inference import FacePath, FaceReading, InvalidImageError, Traits

SHIPPED = Path(__file__).resolve().parents[2] / "weights"


@pytest.fixture(scope="module")
def weights(
    tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, settle: Callable[[Any, Any], None]
) -> Path:
    """A folder with an untrained embedded model, exported as the trained one is."""
    import torch

    from models.export import export_onnx
    from models.registry import build
    from models.torch_engine import Calibrated

    torch.manual_seed(0)
    network = build("face_resnet", {})
    photo = torch.from_numpy(astronaut.mean(axis=2))[None].float()
    settle(network, torch.stack([photo[:, k : k + 48, j : j + 48] for k, j in ((80, 200), (0, 0), (300, 100))]))
    info = ArtefactInfo(EMBEDDED_FACE, "face", "face_resnet", {}, size=48, channels=1, geometry=FER2013)
    model = Calibrated(network, info)
    model.eval()
    folder = tmp_path_factory.mktemp("weights")
    export_onnx(model, folder / f"{EMBEDDED_FACE}.onnx")
    return folder


def load(name: str, weights: Path, cache: Path) -> tuple[FacePath, str | None]:
    return load_face_path(name, engine="onnx", weights_dir=weights, detector_confidence=0.5, cache=cache)


@pytest.fixture(scope="module")
def embedded(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FacePath]:
    path, fallback = load(EMBEDDED_FACE, weights, tmp_path_factory.mktemp("empty"))
    assert fallback is None
    yield path
    path.close()


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def reading_of(outcome: FaceReading | InvalidImageError) -> FaceReading:
    assert isinstance(outcome, FaceReading)
    return outcome


def test_a_face_gives_its_box_and_probabilities(embedded: FacePath, astronaut_jpeg: bytes) -> None:
    reading = reading_of(embedded.analyse([astronaut_jpeg])[0])
    assert reading.box is not None
    assert reading.box.x == pytest.approx(0.35, abs=0.03)
    assert reading.box.y == pytest.approx(0.16, abs=0.03)
    assert reading.probs is not None
    assert reading.probs.shape == (7,)
    assert reading.probs.sum() == pytest.approx(1, abs=1e-5)


def test_each_picture_has_its_own_outcome(embedded: FacePath, astronaut: np.ndarray) -> None:
    face, mirrored = jpeg(astronaut), jpeg(astronaut[:, ::-1])
    empty = jpeg(np.full((240, 320, 3), 90, np.uint8))
    outcomes = embedded.analyse([b"not a picture", face, empty, mirrored, face[:500], face])
    assert isinstance(outcomes[0], InvalidImageError)
    assert outcomes[2] == FaceReading()
    assert isinstance(outcomes[4], InvalidImageError)
    first, other, again = (reading_of(outcomes[k]) for k in (1, 3, 5))
    assert first.probs is not None
    assert other.probs is not None
    assert again.probs is not None
    assert first.box == again.box
    np.testing.assert_allclose(first.probs, again.probs, atol=1e-5)
    assert np.abs(first.probs - other.probs).max() > 1e-3
    for picture, batched in ((face, first), (mirrored, other)):
        alone = reading_of(embedded.analyse([picture])[0])
        assert alone.box == batched.box
        assert alone.probs is not None
        assert batched.probs is not None
        np.testing.assert_allclose(alone.probs, batched.probs, atol=1e-4)


def test_who_keeps_a_reading_keeps_nothing_of_the_other_pictures(embedded: FacePath, astronaut_jpeg: bytes) -> None:
    for outcome in embedded.analyse([astronaut_jpeg] * 2):
        probs = reading_of(outcome).probs
        assert probs is not None
        assert probs.base is None  # no view of both answers


def test_a_face_is_cut_out_once_more_for_a_fusion_network_that_takes_other_crops(
    weights: Path, tmp_path: Path, astronaut: np.ndarray, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[np.ndarray] = []

    def recorded(*arguments: Any) -> np.ndarray:
        cuts.append(crop(*arguments))
        return cuts[-1]

    monkeypatch.setattr(face_path, "crop", recorded)
    for fusion, cut in (
        (Framing(48, 1, FER2013), 1),
        (Framing(64, 3, FER2013), 2),
        (Framing(48, 1, CropGeometry(1.0)), 2),
    ):
        path, _ = load_face_path(
            EMBEDDED_FACE, engine="onnx", weights_dir=weights, detector_confidence=0.5, cache=tmp_path, fusion=fusion
        )
        cuts.clear()
        reading = reading_of(path.analyse([astronaut_jpeg])[0])
        assert len(cuts) == cut
        assert reading.crop is cuts[-1]
        assert reading.crop.shape == (fusion.size, fusion.size, fusion.channels)
        looked = path.look(astronaut)
        assert looked.crop is cuts[-1] and looked.probs is not None
        empty = np.full((240, 320, 3), 90, np.uint8)
        assert path.analyse([jpeg(empty)]) == [FaceReading()]
        path.close()


def test_without_a_fusion_network_no_crop_is_kept(embedded: FacePath, astronaut_jpeg: bytes) -> None:
    assert reading_of(embedded.analyse([astronaut_jpeg])[0]).crop is None


def test_nothing_in_nothing_out(embedded: FacePath) -> None:
    assert embedded.analyse([]) == []
    assert embedded.analyse([jpeg(np.zeros((60, 80, 3), np.uint8))]) == [FaceReading()]


def test_auto_prefers_hsemotion(weights: Path, hsemotion_cache: Path, astronaut_jpeg: bytes) -> None:
    path, fallback = load("auto", weights, hsemotion_cache)
    assert path.name == "enet_b2_7"
    assert fallback is None
    probs = reading_of(path.analyse([astronaut_jpeg])[0]).probs
    assert probs is not None
    assert probs.sum() == pytest.approx(1, abs=1e-5)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, wherever the test runs."""

    def refuse(url: str, timeout: float) -> None:
        raise OSError("no network")

    monkeypatch.setattr("models.download.open_https", refuse)


@pytest.mark.usefixtures("offline")
def test_auto_falls_back_with_one_line(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, astronaut_jpeg: bytes
) -> None:
    with caplog.at_level(logging.INFO, logger="models"):
        path, fallback = load("auto", weights, tmp_path)
    assert path.name == EMBEDDED_FACE
    assert fallback is not None
    assert "enet_b2_7" in fallback
    assert EMBEDDED_FACE in fallback
    assert str(tmp_path) not in fallback
    assert len(caplog.records) == 1
    assert reading_of(path.analyse([astronaut_jpeg])[0]).probs is not None


@pytest.mark.usefixtures("offline")
def test_a_model_asked_for_by_name_is_not_replaced(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="enet_b2_7"):
        load("enet_b2_7", weights, tmp_path)


def test_an_unknown_name_is_answered_with_the_face_models_there_are(weights: Path, tmp_path: Path) -> None:
    for name in (f"{EMBEDDED_FACE}.onnx", "audio_bilstm.onnx"):
        (tmp_path / name).symlink_to((weights if "fer" in name else SHIPPED) / name)
    with pytest.raises(ArtefactError, match=f"no_such_model.*: auto, enet_b2_7, {EMBEDDED_FACE}$"):
        load("no_such_model", tmp_path, tmp_path)


class CountingDetector:
    """A detector that counts how often it looks."""

    def __init__(self) -> None:
        self.looks = 0
        self._real = FaceDetector()

    def detect(self, image: np.ndarray) -> Detection | None:
        self.looks += 1
        return self._real.detect(image)

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize(("every", "looks"), [(1, 6), (2, 3), (3, 2), (100, 1)])
def test_the_detector_looks_at_every_so_many_frames(
    weights: Path, astronaut_jpeg: bytes, every: int, looks: int
) -> None:
    detector = CountingDetector()
    path, _ = load_face_path(EMBEDDED_FACE, engine="onnx", weights_dir=weights, detector_confidence=0.5,
                             detector=detector, detect_every=every)  # fmt: skip
    trace, probs = None, []
    for _ in range(6):
        reading = reading_of(path.analyse([astronaut_jpeg], [trace])[0])
        trace = reading.trace
        probs.append(reading.probs)
    assert detector.looks == looks
    assert (trace is None) == (every == 1)
    assert np.ptp(probs, axis=0).max() < 0.05
    assert reading_of(path.analyse([astronaut_jpeg])[0]).box is not None and detector.looks == looks + 1
    path.close()


def test_each_picture_goes_by_its_own_viewers_trace(weights: Path, astronaut: np.ndarray) -> None:
    detector = CountingDetector()
    path, _ = load_face_path(EMBEDDED_FACE, engine="onnx", weights_dir=weights, detector_confidence=0.5,
                             detector=detector, detect_every=10)  # fmt: skip
    one, other = jpeg(astronaut), jpeg(np.ascontiguousarray(astronaut[:, ::-1]))
    first, second = (reading_of(outcome) for outcome in path.analyse([one, other]))
    empty = jpeg(np.zeros((60, 80, 3), np.uint8))
    outcomes = path.analyse([other, b"nothing", one, empty], [second.trace, first.trace, first.trace, second.trace])
    assert detector.looks == 3  # the third time at the empty one
    readings = [reading_of(outcomes[index]) for index in (0, 2, 3)]
    assert isinstance(outcomes[1], InvalidImageError) and readings[2] == FaceReading()
    for reading, known in zip(readings, (second, first), strict=False):
        assert reading.box == known.box and reading.trace is not None and reading.trace.frames == 1
        assert reading.probs == pytest.approx(known.probs, abs=2e-3)  # its pixels are grey already
    path.close()


class Looking:
    """A face model that says nothing, and keeps the crops that it gets; or who else says which crops it takes."""

    name, traits, size, geometry = "looking", Traits(), 48, FER2013

    def __init__(self, channels: int) -> None:
        self.channels, self.seen = channels, []

    def predict(self, crops: np.ndarray) -> np.ndarray:
        self.seen.append(crops[0])
        return np.full((len(crops), 7), 1 / 7, np.float32)


@pytest.mark.parametrize(("channels", "fusion"), [(1, None), (1, 1), (3, None), (3, 1), (1, 3)])
def test_a_face_that_is_followed_comes_in_the_colours_that_networks_take(
    astronaut_jpeg: bytes, channels: int, fusion: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    greys = []

    def decode(jpeg: bytes, *, max_pixels: int, grey: bool = False) -> np.ndarray:
        greys.append(grey)
        return decode_jpeg(jpeg, max_pixels=max_pixels, grey=grey)

    monkeypatch.setattr(face_path, "decode_jpeg", decode)
    model, detector = Looking(channels), CountingDetector()
    path = DetectedFacePath(detector, model, fusion=Looking(fusion) if fusion else None, detect_every=3)
    first = reading_of(path.analyse([astronaut_jpeg])[0])
    second = reading_of(path.analyse([astronaut_jpeg], [first.trace])[0])
    assert greys == [False, {channels, fusion or 1} == {1}]  # grey takes less time
    found, followed = (crop.astype(int) for crop in model.seen)
    assert detector.looks == 1 and followed.shape == (48, 48, channels)
    assert np.abs(found - followed).max() <= 3
    assert (np.ptp(followed, axis=2).max() > 50) == (channels == 3)
    assert second.crop is None if fusion is None else second.crop.shape == (48, 48, fusion)
    wall = jpeg(np.full((512, 512, 3), 128, np.uint8))
    assert reading_of(path.analyse([wall], [second.trace])[0]).box is None
    assert greys[-1] is False and detector.looks == 2  # who looks anew sees colours
    path.close()
