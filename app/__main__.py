"""`python -m app`: the server on HOST and PORT of the settings."""

import argparse
import errno
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.settings import Settings

# What serves is imported where it is used: a process that looks at faces (FACE_PROCESSES) imports this module too.


def main() -> None:
    """Run until interrupted."""
    argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the page and the stream. It takes no arguments: set HOST, PORT and what else .env.example "
        "lists in the environment, or in a file .env in this folder.",
    ).parse_args()
    from app.server import create_app
    from app.settings import load

    settings = load()
    refuse_no_place(settings.host, settings.port)  # before the models are loaded, which takes long
    serve(settings, create_app(settings))


def serve(settings: "Settings", application: "FastAPI") -> None:
    """Run an application of `create_app` as the settings say."""
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from app.collecting import collect_seldom
    from app.guard.entry import Entry
    from app.guard.wire import Wire
    from app.watch.logs import use_json

    collect_seldom()
    as_json = settings.log_format == "json"
    if as_json:
        use_json()
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None if as_json else LOGGING_CONFIG,
        http=Entry,
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


def refuse_no_place(host: str, port: int) -> None:
    """Stop with one line where nothing can listen on `host` and `port`.

    Not a matter of `Settings`: other programs use the variable HOST for things of their own (conda's compilers
    for the kind of machine), which is no reason for `uvicorn app:app --host ...` to refuse to start.

    Raises:
        SystemExit: with that line; the exit status is 1.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SystemExit(f"Settings refused: HOST={host}: no address or name of a machine ({error})") from None
    faults = [fault for family, _, _, _, address in places if (fault := _bind(family, address))]
    for fault in faults:
        if fault.errno == errno.EADDRINUSE:
            raise SystemExit(
                f"Settings refused: PORT={port}: in use on {host} by another program; end that, or set another PORT"
            )
        if fault.errno == errno.EACCES:
            raise SystemExit(f"Settings refused: PORT={port}: this user may not listen there")
    # Of a name with several addresses the event loop wants all, but those of a family that the machine has not.
    faults.sort(key=lambda fault: fault.errno == errno.EAFNOSUPPORT)
    if faults and (faults[0].errno != errno.EAFNOSUPPORT or len(faults) == len(places)):
        raise SystemExit(f"Settings refused: HOST={host}: no address of this machine ({faults[0].strerror})")


def _bind(family: int, address: tuple[str | int, ...] | tuple[int, bytes]) -> OSError | None:
    """Return why nothing can listen there, or None. The socket is set up as the server's own will be."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


if __name__ == "__main__":
    main()
