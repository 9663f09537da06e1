"""The emotion server. `uvicorn app:app` runs it."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Build `app` when it is asked for: importing a part, such as `app.viewer.session`, must build nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.collecting import collect_seldom
    from app.server import create_app
    from app.settings import load
    from app.watch.logs import use_json

    settings = load()
    if settings.log_format == "json":
        use_json()
    globals()["app"] = application = create_app(settings)
    collect_seldom()
    return application
