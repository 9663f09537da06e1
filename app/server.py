"""The web application: the page, the stream, and the probes.

What is the same for everybody is made once, and no thread is taken to answer with it: requests are not to cost the
streams results.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from swagger_ui_bundle import swagger_ui_path
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import protocol
from app.device import DeviceSite, device_routes
from app.files import Files
from app.guard import entry, unread
from app.guard.headers import SecurityHeaders, docs_headers
from app.guard.tickets import ticket_route
from app.guard.turns import Turns
from app.inference.interface import Inference
from app.inference.loading import LoadingError, load_models
from app.inference.local import LocalInference
from app.quick_check import find_examples, quick_check
from app.settings import LATE, ROOT, Settings
from app.stopping import stopping
from app.streaming import Streaming
from app.watch.logs import hide_addresses
from app.watch.telemetry import Telemetry

STATIC = ROOT / "static"

log = logging.getLogger("uvicorn.error")  # the log that uvicorn shows


def _docs(title: str) -> tuple[bytes, Mapping[str, str]]:
    """Return the page of the API's documentation, with nothing in it from another host, and its headers."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=title,
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/static/favicon.svg",
    )
    content = bytes(page.body)
    return content, docs_headers(content.decode())


class _App(FastAPI):
    """FastAPI, except that a `LoadingError` is logged as its one line and not as a traceback."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_briefly(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self.state.start_error:
                message = {**message, "message": self.state.start_error}
            await send(message)

        await super().__call__(scope, receive, send_briefly if scope["type"] == "lifespan" else send)


def _load(settings: Settings, telemetry: Telemetry) -> Inference:
    """Load the models, measure them where that is asked for, and only then hand them to the stream."""
    if settings.inference_backend == "ray":
        try:
            from app.inference.ray import connect
        except ModuleNotFoundError as error:
            raise LoadingError(
                f"INFERENCE_BACKEND=ray: the package {error.name} is not installed; requirements-cluster.txt has it"
            ) from error
        return connect(settings, telemetry.took)
    models = load_models(settings, lost=telemetry.metrics.faces_lost.inc)
    if settings.quick_check:
        accuracy = quick_check(settings, find_examples(settings), models.voice, models.face.model)
        log.info("Quick accuracy check\n%s", accuracy.table())
        for note in accuracy.notes:
            log.warning(note)
    return LocalInference(
        models.voice,
        models.face,
        models.fusion,
        more_faces=models.more_faces,
        fallback=models.fallback,
        max_batch=settings.max_batch,
        patience=settings.inference_timeout,
        observe=telemetry.called,
    )


def _probes(app: FastAPI, telemetry: Telemetry, *, metrics: bool) -> APIRouter:
    """Return what those ask for who run the server."""
    probes = APIRouter()

    @probes.head("/healthz", include_in_schema=False)
    @probes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    @probes.head("/readyz", include_in_schema=False)
    @probes.get("/readyz", responses={503: {"description": "The models are not loaded, or the server stops."}})
    async def readyz(response: Response) -> dict[str, str | int]:
        """Tell whether the models are loaded, and how many viewers there are."""
        streaming: Streaming | None = app.state.streaming
        if streaming is None:
            response.status_code = 503
            return {"status": "loading"}
        if streaming.draining:
            response.status_code = 503
            return {"status": "stopping"}
        return {"status": "ready", "viewers": streaming.viewers}

    if metrics:

        @probes.get("/metrics", response_class=PlainTextResponse)
        async def figures(request: Request) -> Response:
            """Return the figures for Prometheus, which may be a second old."""
            text, media_type = telemetry.figures(request.headers.get("accept", ""))
            return Response(text, media_type=media_type)

    return probes


def create_app(settings: Settings, inference: Inference | None = None, telemetry: Telemetry | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: The server's settings.
        inference: Answers for the models; loaded as the settings say where None.
        telemetry: Takes what happens; its own where None.
    """
    telemetry = telemetry or Telemetry(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        hide_addresses()
        if settings.env_file_read is not None:
            log.info("Settings: the environment, and %s", settings.env_file_read)

        async def drain(seconds: float) -> int:
            streaming: Streaming | None = app.state.streaming
            return 0 if streaming is None else await streaming.drain(seconds)  # None: the models load, nobody is there

        with stopping(drain):
            models = inference
            if models is None:
                try:
                    models = await asyncio.to_thread(_load, settings, telemetry)
                except LoadingError as fault:
                    app.state.start_error = str(fault)
                    raise
            fusion = models.fusion_name or LATE
            log.info("Voice model: %s, face model: %s, fusion: %s", models.voice_name, models.face_name, fusion)
            app.state.streaming = Streaming(settings, models, telemetry=telemetry)
            rules = entry.Rules(settings, entry.descriptors(), telemetry.turned_away)
            try:
                yield {entry.STATE: rules, unread.STATE: settings.unread_timeout}
            finally:
                app.state.streaming = None
                models.close()

    app = _App(
        title="Emotion server",
        description="Real-time emotion recognition. The stream is `/ws`, its messages are `/protocol.json`.",
        version=f"protocol {protocol.VERSION}",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its scripts from another host
        redoc_url=None,
    )
    app.openapi_version = "3.0.3"  # the newest that the Swagger of swagger-ui-bundle can show
    app.state.streaming = None
    app.state.start_error = None
    app.add_middleware(SecurityHeaders)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    app.add_middleware(Turns)
    app.include_router(ticket_route)

    if settings.device_mode:
        app.include_router(device_routes(DeviceSite(settings)))

    static = Files(directory=STATIC)
    documentation, headers = _docs(app.title)
    schema = protocol.schema_text()

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return await static.get_response("index.html", request.scope)

    @app.get("/sw.js", include_in_schema=False)
    async def service_worker(request: Request) -> Response:
        return await static.get_response("sw.js", request.scope)  # a service worker sees what lies beside it, no more

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(documentation, media_type="text/html", headers=headers)

    app.include_router(_probes(app, telemetry, metrics=settings.metrics))

    @app.get("/protocol.json", response_class=JSONResponse)
    async def protocol_schema() -> Response:
        """Return the JSON Schema of every message of the stream."""
        return Response(schema, media_type="application/json")

    @app.websocket("/ws")
    async def stream(socket: WebSocket) -> None:
        await app.state.streaming.serve(socket)

    app.mount("/docs/assets", Files(directory=swagger_ui_path), name="docs")
    app.mount("/static", static, name="static")
    return app
