"""What a browser that runs the models itself is given."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from arithmetic_models import MeanVoice, SumFace
from starlette.testclient import TestClient

from app import device
from app.device import DeviceError, DeviceSite
from app.inference.local import LocalInference
from app.server import create_app
from app.settings import ROOT, Settings

PACKED = (*device.SCRIPTS.values(), *device.BINARIES.values())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files where npm puts them; what is in them is of no matter here."""
    folder = tmp_path_factory.mktemp("node_modules")
    for path in PACKED:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"content of {path}")
    return folder


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(_env_file=None, fusion_weight=0.3)


@pytest.fixture(scope="module")
def site(settings: Settings, packages: Path) -> DeviceSite:
    return DeviceSite(settings, packages)


@pytest.fixture
def client(settings, packages, monkeypatch):
    monkeypatch.setattr("app.server.DeviceSite", lambda settings: DeviceSite(settings, packages))
    with TestClient(create_app(settings, LocalInference(MeanVoice(), SumFace()))) as client:
        yield client


def test_the_manifest_says_how_the_models_take_their_input(site):
    manifest = site.manifest()
    assert manifest["voice"]["name"] == "audio_bilstm"
    assert manifest["voice"]["traits"]["adaptive"] is True
    assert manifest["face"]["name"] == "fer_resnet"  # HSEmotion's network is not ours to pass on
    assert manifest["face"]["geometry"] == {"scale": 1.19, "shift_x": 0.0, "shift_y": -0.11}
    assert manifest["settings"]["fusion_weight"] == 0.3
    # MediaPipe's Python package reports no less, whatever it is asked for.
    assert manifest["detector"]["confidence"] == {"short_range.tflite": 0.5, "full_range.tflite": 0.6}


def test_no_secret_is_in_the_manifest(packages):
    token = "0123456789abcdef"  # noqa: S105 - of this test alone
    assert token not in json.dumps(DeviceSite(Settings(_env_file=None, api_token=token), packages).manifest())


def test_each_file_is_served_under_its_hash_for_ever(client):
    files = client.get("/device/manifest.json").json()["files"]
    assert files.keys() >= {"voice.onnx", "face.onnx", "short_range.tflite", "full_range.tflite", "ort.wasm"}
    for name, file in files.items():
        answer = client.get(f"/device/{file['url']}")
        assert answer.status_code == 200
        assert len(answer.content) == file["bytes"]
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert file["sha256"][:16] in file["url"]
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith(
            "text/javascript" if name.endswith(".mjs") else "application/gzip"
        )
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "content-encoding" not in answer.headers  # the page unpacks it, on any host


def test_a_model_arrives_as_it_lies_on_the_server(client):
    file = client.get("/device/manifest.json").json()["files"]["face.onnx"]
    served = gzip.decompress(client.get(f"/device/{file['url']}").content)
    assert served == (ROOT / "weights/fer_resnet.onnx").read_bytes()


@pytest.mark.parametrize("path", ["files/0/face.onnx.gz", "../app/settings.py", "files/../../README.md", ""])
def test_nothing_else_is_served(client, path):
    assert client.get(f"/device/{path}").status_code == 404


def test_the_version_changes_with_what_is_served(site, settings, packages, tmp_path):
    assert DeviceSite(settings, packages).manifest()["version"] == site.manifest()["version"]
    (tmp_path / "index.html").write_text("another page")
    (tmp_path / "sw.js").write_text("")
    assert DeviceSite(settings, packages, tmp_path).manifest()["version"] != site.manifest()["version"]
    other = Settings(_env_file=None, fusion_weight=0.4)
    assert DeviceSite(other, packages).manifest()["version"] != site.manifest()["version"]


def test_without_the_packages_the_one_command_is_told(settings, tmp_path, monkeypatch):
    with pytest.raises(DeviceError, match="npm ci --omit=dev"):
        DeviceSite(settings, tmp_path).manifest()
    monkeypatch.setattr("app.server.DeviceSite", lambda settings: DeviceSite(settings, tmp_path))
    with TestClient(create_app(settings, LocalInference(MeanVoice(), SumFace()))) as client:
        for path in ("manifest.json", "files/0/face.onnx.gz"):
            answer = client.get(f"/device/{path}")
            assert answer.status_code == 503
            assert "npm ci --omit=dev" in answer.json()["detail"]


def test_a_model_that_is_not_there_is_named(packages):
    with pytest.raises(DeviceError, match="nonesuch"):
        DeviceSite(Settings(_env_file=None, voice_model="nonesuch"), packages).manifest()


def test_a_model_of_another_kind_is_refused(packages):
    with pytest.raises(DeviceError, match="expected a voice model"):
        DeviceSite(Settings(_env_file=None, voice_model="fer_resnet"), packages).manifest()


def test_an_operator_may_keep_the_models(settings):
    closed = settings.model_copy(update={"device_mode": False})
    with TestClient(create_app(closed, LocalInference(MeanVoice(), SumFace()))) as client:
        assert client.get("/device/manifest.json").status_code == 404


def test_the_service_worker_sees_the_whole_page(client):
    answer = client.get("/sw.js")
    assert answer.status_code == 200
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"


def test_the_pages_of_a_site_without_a_server_have_no_choice(settings, packages):
    files = DeviceSite(settings, packages, alone=True).page()
    page, example = files[""].decode(), files["static/example.html"].decode()
    assert 'data-place="device" data-fixed' in page
    assert 'value="device"' in example
    assert 'value="server"' not in example
    assert 'data-place="server"' not in page
