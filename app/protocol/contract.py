"""What both directions share: the version, bounds, error and close codes."""

from typing import Final, Literal

VERSION: Final = 1
WEIGHT_BOUNDS: Final = (0.0, 1.0)
SMOOTHING_BOUNDS: Final = (1, 50)
LONGEST_TOKEN: Final = 1024

ErrorCode = Literal[
    "invalid_json",
    "invalid_message",
    "unknown_type",
    "invalid_base64",
    "invalid_audio",
    "invalid_image",
    "frame_too_big",
    "too_fast",
    "unsupported",
    "inference_failed",
    "origin_refused",
    "unauthorized",
    "abuse",
    "idle",
    "session_over",
    "too_big",
    "full",
    "address_full",
    "internal",
    "restart",
]
"""Every code that an `error` message may carry."""

CLOSE_REFUSED: Final = 1008
CLOSE_TOO_BIG: Final = 1009
CLOSE_INTERNAL: Final = 1011
CLOSE_RESTART: Final = 1012
CLOSE_FULL: Final = 1013
CLOSE_CODES: Final[dict[ErrorCode, int]] = {
    "origin_refused": CLOSE_REFUSED,
    "unauthorized": CLOSE_REFUSED,
    "abuse": CLOSE_REFUSED,
    "idle": CLOSE_REFUSED,
    "session_over": CLOSE_REFUSED,
    "too_big": CLOSE_TOO_BIG,
    "internal": CLOSE_INTERNAL,
    "restart": CLOSE_RESTART,
    "full": CLOSE_FULL,
    "address_full": CLOSE_FULL,
}
"""What the connection is closed with after an error that ends it."""


class ProtocolError(ValueError):
    """A message that cannot be taken; the stream goes on without it.

    Attributes:
        code: One of `ErrorCode`.
        message: One sentence for people; never repeats the payload.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


class FarewellError(Exception):
    """The viewer has to go.

    Attributes:
        code: One of `CLOSE_CODES`.
        message: One sentence for people.
        cause: For those who run the server, where the code has more than one.
    """

    def __init__(self, code: ErrorCode, message: str, cause: str | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.cause = cause
