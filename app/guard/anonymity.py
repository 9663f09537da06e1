"""Keeps what tells one viewer from another out of uvicorn's log: addresses, and tickets in a query."""

import logging
from typing import Final

_LOGGERS: Final = ("uvicorn.access", "uvicorn.error")
_WITH_ADDRESS: Final = '%s - "'


def hide_addresses() -> None:
    """See to it from now on; once is enough, again does no harm."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_hide)


def _hide(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith(_WITH_ADDRESS) and isinstance(record.args, tuple):
        _, *rest = record.args
        record.args = ("-", *(part.partition("?")[0] if isinstance(part, str) else part for part in rest))
    return True
