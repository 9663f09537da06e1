"""What both directions share: the version, bounds, error and close codes."""

from typing import Final, Literal

VERSION: Final = 1
WEIGHT_BOUNDS: Final = (0.0, 1.0)
SMOOTHING_BOUNDS: Final = (1, 50)

ErrorCode = Literal[
    "invalid_json",
    "invalid_message",
    "unknown_type",
    "invalid_base64",
    "invalid_audio",
    "invalid_image",
    "frame_too_big",
    "unsupported",
    "inference_failed",
    "too_big",
    "full",
    "internal",
]
"""Every code that an `error` message may carry."""

CLOSE_TOO_BIG: Final = 1009
CLOSE_INTERNAL: Final = 1011
CLOSE_FULL: Final = 1013


class ProtocolError(ValueError):
    """A message that cannot be taken.

    Attributes:
        code: One of `ErrorCode`.
        message: One sentence for people; never repeats the payload.
        recoverable: Whether the stream goes on.
    """

    def __init__(self, code: ErrorCode, message: str, *, recoverable: bool = True) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.recoverable = recoverable
