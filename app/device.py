"""What a browser needs to run the models itself: runtime, detector and models as files of our own host.

The runtimes come from npm (`npm ci` in the project's folder), the detector's networks from MediaPipe's wheel, the
models from the weights' folder. Each file's address has its hash, so that a browser keeps it as long as it is the same.
"""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, HTTPException, Response

from app.settings import ROOT, Settings

STATIC: Final = ROOT / "static"
PACKAGES: Final = ROOT / "node_modules"
COMMAND: Final = "npm ci --omit=dev"

SCRIPTS: Final = {
    "ort.mjs": "onnxruntime-web/dist/ort.wasm.min.mjs",
    "ort-threads.mjs": "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
    "ort-gpu.mjs": "onnxruntime-web/dist/ort.jspi.min.mjs",
    "ort-gpu-threads.mjs": "onnxruntime-web/dist/ort-wasm-simd-threaded.jspi.mjs",
    "vision.mjs": "@mediapipe/tasks-vision/vision_bundle.mjs",
    "vision-loader.mjs": "@mediapipe/tasks-vision/wasm/vision_wasm_module_internal.js",
}
"""Imported as they are."""
BINARIES: Final = {
    "ort.wasm": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "ort-gpu.wasm": "onnxruntime-web/dist/ort-wasm-simd-threaded.jspi.wasm",
    "vision.wasm": "@mediapipe/tasks-vision/wasm/vision_wasm_module_internal.wasm",
}
_DETECTORS: Final = {
    "short_range.tflite": "face_detection_short_range.tflite",
    "full_range.tflite": "face_detection_full_range_sparse.tflite",
}
SESSION: Final = (
    "fusion_weight",
    "voice_smoothing",
    "face_smoothing",
    "result_interval",
    "voice_window",
    "silence_rms",
    "stale_after",
    "calibration_seconds",
)
"""Settings that decide what one viewer is shown."""


class DeviceError(RuntimeError):
    """Browsers cannot run the models themselves, for a reason that one line tells."""


class DeviceFile(NamedTuple):
    """One file as it goes over the wire; what is not imported as a script is compressed."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def url(self) -> str:
        """Its address, seen from the manifest."""
        return f"files/{self.digest[:16]}/{self.name}{'' if self.is_script else '.gz'}"

    @property
    def runtime(self) -> str | None:
        """Which build of ONNX Runtime it is of, `gpu` or `wasm`: a browser needs one of them."""
        if not self.name.startswith("ort"):
            return None
        return "gpu" if self.name.startswith("ort-gpu") else "wasm"

    @property
    def is_script(self) -> bool:
        """Whether it is imported as it is."""
        return self.name.endswith(".mjs")

    @property
    def media_type(self) -> str:
        """As a browser wants to be told."""
        return "text/javascript" if self.is_script else "application/gzip"


class DeviceSite:
    """The files, read and compressed when first asked for, and the manifest that lists them.

    Args:
        settings: Which models, and how one viewer's results are made.
        packages: Folder of the npm packages.
        static: Folder of the page.
        alone: Whether the page has no server beside it, and so no choice.
    """

    def __init__(
        self, settings: Settings, packages: Path = PACKAGES, static: Path = STATIC, *, alone: bool = False
    ) -> None:
        self._settings = settings
        self._packages = packages
        self._static = static
        self._alone = alone
        self._lock = Lock()  # two browsers that come at once are no reason to do it twice

    def manifest(self) -> dict[str, Any]:
        """Return what there is, how the models take their input, and what makes results of their answers.

        Raises:
            DeviceError: Something is missing.
        """
        with self._lock:
            return self._manifest

    def manifest_text(self) -> bytes:
        """Return the manifest as JSON.

        Raises:
            DeviceError: Something is missing.
        """
        with self._lock:
            return self._manifest_text

    @property
    def is_made(self) -> bool:
        """Whether all of it has been read and compressed, so that nothing keeps who asks waiting."""
        return "_manifest_text" in self.__dict__

    def file(self, url: str) -> DeviceFile | None:
        """Return the file of this address, or None.

        Raises:
            DeviceError: Something is missing.
        """
        with self._lock:
            return self._files.get(url)

    def files(self) -> tuple[DeviceFile, ...]:
        """Return all files.

        Raises:
            DeviceError: Something is missing.
        """
        with self._lock:
            return tuple(self._files.values())

    def page(self) -> dict[str, bytes]:
        """Return the files of the page, by their path from its address; the page itself has none."""
        shown = sorted(path for path in self._static.rglob("*") if path.is_file())
        contents = {path.relative_to(self._static).as_posix(): path.read_bytes() for path in shown}
        del contents["sw.js"]  # a browser looks after that itself
        page = contents.pop("index.html")
        if self._alone:
            page = page.replace(b'data-place="server"', b'data-place="device" data-fixed')
            there = b'<option value="server">on the server</option>'
            contents["example.html"] = contents["example.html"].replace(there, b"")
        return {"": page, **{f"static/{path}": content for path, content in contents.items()}}

    @cached_property
    def _files(self) -> dict[str, DeviceFile]:
        return {file.url: file for file in self._read()}

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        from models.detection import FULL_TO_SHORT

        files = {
            file.name: {
                "url": file.url,
                "bytes": len(file.content),
                "sha256": file.digest,
                **({"runtime": file.runtime} if file.runtime else {}),
            }
            for file in self._files.values()
        }
        page = {path: hashlib.sha256(content).hexdigest() for path, content in self.page().items()}
        said = {
            "files": files,
            "page": page,
            "voice": self._info(self._voice, "voice"),
            "face": self._info(self._face, "face"),
            "detector": {"confidence": self._confidence(), "full_to_short": asdict(FULL_TO_SHORT)},
            "settings": self._settings.model_dump(include=set(SESSION)),
        }
        version = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
        return {"version": version, **said}

    @cached_property
    def _manifest_text(self) -> bytes:
        return json.dumps(self._manifest).encode()

    def _confidence(self) -> dict[str, float]:
        from models.detection import LEAST_CONFIDENCE

        wanted = self._settings.detector_confidence
        return {name: max(wanted, least) for name, least in zip(_DETECTORS, LEAST_CONFIDENCE, strict=True)}

    @property
    def _voice(self) -> Path:
        return self._settings.weights_dir / f"{self._settings.voice_model}.onnx"

    @property
    def _face(self) -> Path:
        from models import hsemotion
        from models.face_path import AUTO, EMBEDDED_FACE

        name = self._settings.face_model
        # HSEmotion's network is not ours to pass on, and as large as all the rest.
        return self._settings.weights_dir / f"{EMBEDDED_FACE if name in (AUTO, hsemotion.NAME) else name}.onnx"

    def _read(self) -> Iterator[DeviceFile]:
        for name, path in SCRIPTS.items():
            yield DeviceFile(name, self._package(path))
        for name, path in _DETECTORS.items():
            yield DeviceFile(name, _compressed((_detectors() / path).read_bytes()))
        for name, weights in (("voice.onnx", self._voice), ("face.onnx", self._face)):
            try:
                yield DeviceFile(name, _compressed(weights.read_bytes()))
            except OSError as error:
                raise DeviceError(f"{weights.stem} is not there as ONNX") from error
        # Last, for they take seconds, and where something is missing whoever asks has it all read anew.
        for name, path in BINARIES.items():
            yield DeviceFile(name, _compressed(self._package(path)))

    def _package(self, path: str) -> bytes:
        try:
            return (self._packages / path).read_bytes()
        except OSError as error:
            raise DeviceError(f"its packages are not installed: run `{COMMAND}` in its folder") from error

    @staticmethod
    def _info(path: Path, kind: str) -> dict[str, Any]:
        from models.artefact import ArtefactError
        from models.onnx_engine import open_session, read_info

        try:
            info = read_info(open_session(path, threads=1), path, kind)
        except ArtefactError as error:
            raise DeviceError(str(error)) from error
        traits = asdict(info.traits)
        geometry = None if info.geometry is None else asdict(info.geometry)
        return {"name": info.name, "traits": traits, "size": info.size, "channels": info.channels, "geometry": geometry}


def _detectors() -> Path:
    from models.detection import networks_folder

    try:
        return networks_folder()
    except ModuleNotFoundError as error:
        raise DeviceError("MediaPipe, whose wheel has the detector's networks, is not installed") from error


def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def device_routes(site: DeviceSite) -> APIRouter:
    """Serve a `DeviceSite` under `/device/`, and the page's service worker where it sees the whole page."""
    router = APIRouter(include_in_schema=False)

    async def manifest_text() -> bytes:
        """Return the manifest when all is made: in a thread, for that takes seconds."""
        try:
            return site.manifest_text() if site.is_made else await asyncio.to_thread(site.manifest_text)
        except DeviceError as fault:
            raise HTTPException(503, str(fault)) from fault

    @router.get("/device/manifest.json")
    async def manifest() -> Response:
        return Response(await manifest_text(), media_type="application/json")

    @router.get("/device/{url:path}")
    async def file(url: str) -> Response:
        await manifest_text()
        found = site.file(url)
        if found is None:
            raise HTTPException(404, "there is no such file; the manifest lists those that are")
        forever = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found.content, media_type=found.media_type, headers=forever)

    return router
