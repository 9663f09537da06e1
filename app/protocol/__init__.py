"""Protocol version 1: wire messages <-> typed events, and the JSON Schema of every message.

Pure: bytes and text in, events out. `docs/protocol.md` describes the same for people.
"""

import json
from functools import cache
from typing import Any

from app.protocol import client, server
from app.protocol.client import (
    BINARY_AUDIO,
    BINARY_FRAME,
    BINARY_HEADER_BYTES,
    Audio,
    Authenticate,
    Calibrate,
    Configure,
    Event,
    Frame,
    Media,
    decode,
    encode_binary,
)
from app.protocol.contract import (
    CLOSE_CODES,
    CLOSE_FULL,
    CLOSE_INTERNAL,
    CLOSE_REFUSED,
    CLOSE_RESTART,
    CLOSE_TOO_BIG,
    LONGEST_TOKEN,
    SMOOTHING_BOUNDS,
    VERSION,
    WEIGHT_BOUNDS,
    ErrorCode,
    FarewellError,
    ProtocolError,
)
from app.protocol.server import (
    Calibration,
    CalibrationState,
    Challenge,
    Configured,
    Dropped,
    Error,
    FacePart,
    FaceState,
    Features,
    FusedBy,
    FusedPart,
    FusedState,
    Knows,
    Limits,
    Millis,
    Models,
    Ranked,
    Ready,
    Result,
    ServerMessage,
    Used,
    ViewerSettings,
    VoicePart,
    VoiceState,
    decode_server,
    encode,
)

__all__ = [
    "BINARY_AUDIO",
    "BINARY_FRAME",
    "BINARY_HEADER_BYTES",
    "CLOSE_CODES",
    "CLOSE_FULL",
    "CLOSE_INTERNAL",
    "CLOSE_REFUSED",
    "CLOSE_RESTART",
    "CLOSE_TOO_BIG",
    "LONGEST_TOKEN",
    "SMOOTHING_BOUNDS",
    "VERSION",
    "WEIGHT_BOUNDS",
    "Audio",
    "Authenticate",
    "Calibrate",
    "Calibration",
    "CalibrationState",
    "Challenge",
    "Configure",
    "Configured",
    "Dropped",
    "Error",
    "ErrorCode",
    "Event",
    "FacePart",
    "FaceState",
    "FarewellError",
    "Features",
    "Frame",
    "FusedBy",
    "FusedPart",
    "FusedState",
    "Knows",
    "Limits",
    "Media",
    "Millis",
    "Models",
    "ProtocolError",
    "Ranked",
    "Ready",
    "Result",
    "ServerMessage",
    "Used",
    "ViewerSettings",
    "VoicePart",
    "VoiceState",
    "decode",
    "decode_server",
    "encode",
    "encode_binary",
    "schema",
    "schema_text",
]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of every message, both ways, as served at `/protocol.json`."""
    return {
        "protocol": VERSION,
        "client": client.schema(),
        "server": server.schema(),
        "binary": {
            "header": "u8 kind, u32 little-endian id, then the payload",
            "kinds": client.BINARY_KINDS,
        },
        "close": {
            CLOSE_REFUSED: "refused, or over; the error says why",
            CLOSE_TOO_BIG: "a message was too big",
            CLOSE_INTERNAL: "internal error",
            CLOSE_RESTART: "the server stops or restarts",
            CLOSE_FULL: "the server is full",
        },
    }


@cache
def schema_text() -> bytes:
    """Return `schema` as JSON, made once: that takes tens of milliseconds."""
    return json.dumps(schema()).encode()
