"""The models in other processes, on this machine or elsewhere: deployments of Ray Serve (`app.cluster`), by handle."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple

# Ray connects once, in `connect`. By default any call of a thread of Serve's that outlives that would connect again,
# while the process ends, and make it end with 1.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.inference.answering import About, Answered, FaceQuestion, FusionQuestion, VoiceQuestion
from app.inference.interface import InferenceError, VoiceReading
from app.inference.loading import LoadingError
from app.settings import LATE, Settings
from app.viewer.calibration import NOBODY
from models.inference import FaceReading, Float32, Int16, Trace, UInt8

VOICE: Final = "Voice"
FACE: Final = "Face"
FUSION: Final = "Fusion"
"""What the deployments are called."""
APPLICATION: Final = "default"
"""The name that `serve run` gives an application."""
START_SECONDS: Final = 120.0
"""How long the deployments may take to load their models."""
KNOCK_SECONDS: Final = 3.0

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """A deployment, and what its model says of itself."""

    handle: DeploymentHandle[Any]
    about: About


class RayInference:
    """Asks the deployments.

    Args:
        voice: Hears.
        face: Sees.
        fusion: Hears and sees at once; None for late fusion.
        fallback: Why the preferred face model could not be had, or None.
        patience: Seconds until a question counts as lost.
        took: Called with each answer's path, and the seconds for which the model was busy with it.
    """

    def __init__(
        self,
        voice: Model,
        face: Model,
        fusion: Model | None,
        *,
        fallback: str | None,
        patience: float,
        took: Callable[[str, float], None],
    ) -> None:
        self.voice_name, self.voice_traits = voice.about
        self.face_name, self.face_traits = face.about
        self.fusion_name = None if fusion is None else fusion.about.name
        self.fusion_traits = None if fusion is None else fusion.about.traits
        self.fallback = fallback
        self._voice, self._face, self._fusion = voice, face, fusion
        self._patience = patience
        self._took = took
        self._failing: set[str] = set()

    async def voice(self, window: Int16, reference: Float32 = NOBODY) -> VoiceReading:
        """Return what is in a window [N] of somebody with a reference [80], `NOBODY` where none is known."""
        reading: VoiceReading = await self._ask("voice", self._voice, VoiceQuestion(window, reference))
        return reading

    async def face(self, jpeg: bytes, trace: Trace | None = None) -> FaceReading:
        """Return what is in a frame."""
        reading: FaceReading = await self._ask("face", self._face, FaceQuestion(jpeg, trace))
        return reading

    async def fusion(self, window: Int16, crop: UInt8) -> Float32:
        """Return the probabilities [7] of a window [N] and a face [size, size, channels] together."""
        if self._fusion is None:
            raise InferenceError("there is no fusion model")
        probs: Float32 = await self._ask("fusion", self._fusion, FusionQuestion(window, crop))
        return probs

    def close(self) -> None:
        """Leave the models to Ray."""

    async def _ask(self, path: str, model: Model, question: object) -> Any:
        name = model.about.name
        response = model.handle.answer.remote(question)
        try:
            async with asyncio.timeout(self._patience):
                answered: Answered = await response
        except TimeoutError:
            response.cancel()  # type: ignore[no-untyped-call]
            raise self._failed(name, InferenceError(f"{name} does not answer")) from None
        except (RayError, RayServeException) as fault:
            raise self._failed(name, InferenceError(f"{name} failed")) from fault
        except asyncio.CancelledError:
            response.cancel()  # type: ignore[no-untyped-call] # its viewer has left
            raise
        self._failing.discard(name)
        self._took(path, answered.seconds)
        if isinstance(answered.outcome, Exception):
            raise answered.outcome
        return answered.outcome

    def _failed(self, name: str, error: InferenceError) -> InferenceError:
        # A replica that is lost fails many questions: one line is enough until another one answers.
        if name not in self._failing:
            self._failing.add(name)
            log.warning("%s", error)
        return error


def connect(settings: Settings, took: Callable[[str, float], None]) -> RayInference:
    """Find the deployments of the application that this process is part of, or else of `serve run`'s.

    `took` as of `RayInference`. It blocks, and must not be called on an event loop.

    Raises:
        LoadingError: there is no Ray, the deployments are not there, or they do not answer.
    """
    if settings.quick_check:
        raise LoadingError("QUICK_CHECK needs the models in this process: INFERENCE_BACKEND=local")
    try:
        if not ray.is_initialized():
            _knock()
            ray.init(address="auto", namespace="serve", configure_logging=False, log_to_driver=False)
        find = _finder()
        voice, face = find(VOICE), find(FACE)
        fusion = None if settings.fusion == LATE else find(FUSION)
        fallback = face.handle.fallback.remote().result(timeout_s=START_SECONDS)
    except (RayError, RayServeException, KeyError, TimeoutError) as fault:  # KeyError: no such deployment
        reason = next(iter(str(fault).strip('"').splitlines()), "they do not answer")
        raise LoadingError(f"The models in Ray cannot be reached: {reason}") from fault
    except (ConnectionError, RuntimeError, ValueError) as fault:
        raise LoadingError(f"There is no Ray to ask (RAY_ADDRESS, `ray start`): {fault}") from fault
    return RayInference(voice, face, fusion, fallback=fallback, patience=settings.inference_timeout, took=took)


def _knock() -> None:
    """Look whether somebody listens at RAY_ADDRESS, if that is a host and a port: Ray itself would try for minutes."""
    host, colon, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"nobody answers at {host}:{port} ({error})") from error


def _finder() -> Callable[[str], Model]:
    try:
        application = serve.get_replica_context().app_name
    except RayServeException:  # a server beside Ray Serve, not in it
        application = APPLICATION

    def find(deployment: str) -> Model:
        handle: DeploymentHandle[Any] = serve.get_deployment_handle(deployment, app_name=application)
        return Model(handle, handle.about.remote().result(timeout_s=START_SECONDS))

    return find
