"""`python -m app`: the server on HOST and PORT of the settings."""

import uvicorn

from app.server import create_app
from app.settings import load


def main() -> None:
    """Run until interrupted."""
    settings = load()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        # Twice the limit, so that a viewer is told `too_big` by the server before the connection closes.
        ws_max_size=2 * settings.max_message_bytes,
        # JPEG and sound hardly shrink; results are short.
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
