"""What browsers are told about the page beside its content: where from anything may come, and who may do what."""

import base64
import hashlib
import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": (
        "camera=(self), microphone=(self), display-capture=(), geolocation=(), payment=(), usb=(), serial=(), midi=()"
    ),
    # The three make the page cross-origin isolated: nobody shares its process, and threads in WebAssembly are allowed.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_HEADERS = {
    **_COMMON,
    # WebAssembly for models on the visitor's own device; what it runs was unpacked by the page, hence the blob.
    "Content-Security-Policy": (
        f"{_NOTHING}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; manifest-src 'self'; style-src 'self'; "
        "img-src 'self'; connect-src 'self' blob:"
    ),
}


def docs_headers(html: str) -> Mapping[str, str]:
    """Return the headers of the API's documentation, whose page starts Swagger with a script of its own.

    That script alone may run, by its hash. Swagger styles what it draws element by element, and has pictures in data.
    """
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    ]
    allowed = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in hashes)])
    policy = f"script-src {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
    return {**_COMMON, "Content-Security-Policy": f"{_NOTHING}; {policy}"}


class SecurityHeaders:
    """Middleware: sets `PAGE_HEADERS` on every answer, those left out that the answer has already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in PAGE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
