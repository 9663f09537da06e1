"""The same server over many processes and machines: `serve run app.cluster:app` (Ray Serve).

The web application of `app.server` is the ingress: a viewer's session stays in the replica that has its socket. Each
model is a deployment of its own, so that each has as many replicas as it needs; the ingress asks them by handle through
`app.inference.ray`. How many replicas there may be, and what each reserves, is for Serve's configuration file to say
(`deploy/serve.yaml`); what is here is small enough for a laptop.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from app.inference.answering import About, Answered, FaceQuestion, FusionQuestion, VoiceQuestion, fuse, hear, see
from app.inference.batching import Apart
from app.inference.loading import load_face, load_fusion, load_voice
from app.inference.ray import FACE, FUSION, VOICE
from app.server import create_app
from app.settings import LATE, Settings, load
from app.watch.logs import use_json

BATCH_WAIT: Final = 0.005
"""Seconds that a question waits for others to share a call with it."""
LOOK_SECONDS: Final = 0.5
"""How often a replica looks whether it is to stop."""
TOLD_SECONDS: Final = 5.0
"""Who has not taken its farewell by then reads too slowly, or not at all."""

_OPTIONS: Final[dict[str, Any]] = {
    "ray_actor_options": {"num_cpus": 0.5},
    "logging_config": {"enable_access_log": False},  # a line for each question
    "graceful_shutdown_timeout_s": 15.0,
    "graceful_shutdown_wait_loop_s": 0.5,
}
_MODEL: Final[dict[str, Any]] = _OPTIONS | {
    "health_check_period_s": 2.0,
    "autoscaling_config": {
        "min_replicas": 1,
        "max_replicas": 4,
        "target_ongoing_requests": 4,
        "upscale_delay_s": 10.0,
        "downscale_delay_s": 120.0,
    },
}
_INGRESS: Final[dict[str, Any]] = _OPTIONS | {
    "autoscaling_config": {
        "min_replicas": 1,
        "max_replicas": 4,
        "target_ongoing_requests": 50,  # a viewer is a request that lasts
        "upscale_delay_s": 10.0,
        "downscale_delay_s": 600.0,
    },
}

log = logging.getLogger("ray.serve")  # the log that Serve shows


class _Answering(ABC):
    """One replica of a model, with a thread that owns it."""

    def __init__(self, settings: Settings, about: About) -> None:
        self._about = about
        self._patience = settings.inference_timeout
        self._called: float | None = None
        self._ask: Apart[Any, Any] = Apart(about.name, self.run, log)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=about.name)
        self.answer.set_max_batch_size(settings.max_batch)  # type: ignore[attr-defined]

    @abstractmethod
    def run(self, questions: Sequence[Any]) -> Sequence[Any]:
        """Map questions [B] to outcomes [B], on the thread; an exception as an outcome fails that question alone."""

    def about(self) -> About:
        """Return what the model says of itself."""
        return self._about

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=BATCH_WAIT)
    async def answer(self, questions: list[Any]) -> list[Answered]:
        """Return the answer to a question; Serve makes a batch of what many ask."""
        began = self._called = time.monotonic()
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, questions)
        finally:
            self._called = None
        each = (time.monotonic() - began) / len(questions)
        return [Answered(outcome, each) for outcome in outcomes]

    def check_health(self) -> None:
        """Let Serve replace this replica when a call of the model hangs."""
        if self._called is not None and time.monotonic() - self._called > self._patience:
            raise RuntimeError(f"{self._about.name} hangs")


class Voice(_Answering):
    """Hears."""

    def __init__(self, settings: Settings) -> None:
        self._model = load_voice(settings)
        super().__init__(settings, About(self._model.name, self._model.traits))

    def run(self, questions: Sequence[VoiceQuestion]) -> Sequence[Any]:
        """Map questions [B] to outcomes [B]."""
        return hear(self._model, questions)


class Face(_Answering):
    """Sees."""

    def __init__(self, settings: Settings) -> None:
        # The fusion model is here only to say how it wants faces cut out.
        self._path, self._fallback = load_face(settings, load_fusion(settings))
        super().__init__(settings, About(self._path.name, self._path.model.traits))

    def fallback(self) -> str | None:
        """Return why the preferred face model could not be had, or None."""
        return self._fallback

    def run(self, questions: Sequence[FaceQuestion]) -> Sequence[Any]:
        """Map questions [B] to outcomes [B]."""
        return see(self._path, questions)


class Fusion(_Answering):
    """Hears and sees at once."""

    def __init__(self, settings: Settings) -> None:
        model = load_fusion(settings)
        assert model is not None  # noqa: S101 - nobody deploys this for late fusion
        self._model = model
        super().__init__(settings, About(model.name, model.traits))

    def run(self, questions: Sequence[FusionQuestion]) -> Sequence[Any]:
        """Map questions [B] to outcomes [B]."""
        return fuse(self._model, questions)


@serve.ingress()
class Ingress:
    """The server itself, with the models elsewhere.

    Args:
        settings: The server's settings.
        models: The deployments that it asks; named here so that Serve deploys them too.
    """

    def __init__(self, settings: Settings, *models: Any) -> None:
        self._settings = settings
        if settings.log_format == "json":
            use_json()

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return what Serve is to serve."""
        app = create_app(self._settings)
        self._watch = asyncio.create_task(_drain_when_stopped(app))
        return app


async def _drain_when_stopped(app: FastAPI) -> None:
    """Send the viewers away as soon as Serve stops this replica.

    Serve waits until a replica's requests are over before it tells the replica anything, and ours last as long as
    their viewers stay. So it is its own mark that is looked at, which is no part of Ray's public interface.
    """
    from ray._private.worker import global_worker

    (actor,) = global_worker.actors.values()
    replica = actor._replica_impl
    while not replica._shutting_down:  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(LOOK_SECONDS)
    if untold := await app.state.streaming.drain(TOLD_SECONDS):
        log.warning("%d viewers did not read why the server stops", untold)


def build(settings: Settings) -> Application:
    """Return the application for Ray Serve.

    Args:
        settings: Of every replica, wherever it runs.
    """
    settings = settings.model_copy(update={"inference_backend": "ray"})
    options = _MODEL | {"max_ongoing_requests": 2 * settings.max_batch}
    models = [
        serve.deployment(name=VOICE, **options)(Voice).bind(settings),
        serve.deployment(name=FACE, **options)(Face).bind(settings),
    ]
    if settings.fusion != LATE:
        models.append(serve.deployment(name=FUSION, **options)(Fusion).bind(settings))
    # More than may stream: who is one too many is to hear that from the server.
    ingress = serve.deployment(name="Ingress", max_ongoing_requests=2 * settings.max_viewers + 100, **_INGRESS)
    return ingress(Ingress).bind(settings, *models)


def __getattr__(name: str) -> Any:
    """Build `app` when it is asked for: a replica that imports this must build nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = application = build(load())
    return application
