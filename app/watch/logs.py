"""The log: without what tells one viewer from another, and for machines as JSON, a line for each event.

Nothing that a viewer sends can get into the JSON (`LOG_FORMAT=json`): an event has a name and fields of the server's
own, an exception its type and where it came from, not its words.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any, Final

_FIELDS: Final = "fields"
_WITH_ADDRESS: Final = '%s - "'
"""How uvicorn's lines about a client begin: with its address."""
_events: Final = logging.getLogger("app.events")


def hide_addresses() -> None:
    """Keep addresses, and tickets in a query, out of uvicorn's log from now on; again does no harm."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_hide)


def _hide(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith(_WITH_ADDRESS) and isinstance(record.args, tuple):
        _, *rest = record.args
        record.args = ("-", *(part.partition("?")[0] if isinstance(part, str) else part for part in rest))
    return True


def log_event(name: str, **fields: Any) -> None:
    """Log an event. It is at the level INFO of `app.events`, which nobody shows as long as the log is text."""
    _events.info(name, extra={_FIELDS: fields})


def use_json() -> None:
    """Write what this process logs as JSON from now on, to where it goes already; after uvicorn has set up its log."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for name in (None, "uvicorn", "uvicorn.access"):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(JsonFormatter())
            handler.addFilter(is_without_address)
    for name in ("app", "uvicorn"):
        logger = logging.getLogger(name)
        logger.setLevel(logger.level or logging.INFO)


def is_without_address(record: logging.LogRecord) -> bool:
    """Tell whether a line has no client's address: a socket's lines have, and `viewer_connected` says the same."""
    return not str(record.msg).startswith(f"{_WITH_ADDRESS}WebSocket ")


class JsonFormatter(logging.Formatter):
    """Turns a record into one line of JSON: time, level, logger, event, and what fields the event has."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_said(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])
            line["exception"] = record.exc_info[0].__name__
            line["raised"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


def _said(record: logging.LogRecord) -> dict[str, Any]:
    if record.name == "uvicorn.access" and isinstance(record.args, tuple):
        _, method, path, _, status = record.args
        return {"event": "request", "method": method, "path": str(path).partition("?")[0], "status": status}
    return {"event": record.getMessage().strip(), **getattr(record, _FIELDS, {})}
