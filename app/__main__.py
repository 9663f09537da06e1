"""`python -m app`: the server on HOST and PORT of the settings."""

import socket

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from app.guard.wire import Wire
from app.server import create_app
from app.settings import Settings, load
from app.watch.logs import use_json


def main() -> None:
    """Run until interrupted."""
    settings = load()
    _refuse_no_host(settings.host, settings.port)
    serve(settings, create_app(settings))


def serve(settings: Settings, application: FastAPI) -> None:
    """Run an application of `create_app` as the settings say."""
    as_json = settings.log_format == "json"
    if as_json:
        use_json()
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None if as_json else LOGGING_CONFIG,
        ws=Wire,
        # Twice the limit, so that a viewer is told `too_big` by the server before the connection closes.
        ws_max_size=2 * settings.max_message_bytes,
        # What is still open so long after viewers were told why the server stops will not close by itself.
        timeout_graceful_shutdown=1,
        # The setting TRUSTED_PROXIES says whose headers are believed, and by default nobody's are.
        proxy_headers=False,
        # JPEG and sound hardly shrink; results are short.
        ws_per_message_deflate=False,
    )


def _refuse_no_host(host: str, port: int) -> None:
    """Stop with one line where nothing can listen on `host`.

    Not a matter of `Settings`: other programs use the variable HOST for things of their own (conda's compilers
    for the kind of machine), which is no reason for `uvicorn app:app --host ...` to refuse to start.
    """
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        raise SystemExit(f"Settings refused: HOST={host}: no address or name of a machine ({error})") from None


if __name__ == "__main__":
    main()
