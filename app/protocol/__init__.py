"""Protocol version 1: wire messages <-> typed events, and the JSON Schema of every message.

Pure: bytes and text in, events out. `docs/protocol.md` describes the same for people.
"""

from typing import Any

from app.protocol import client, server
from app.protocol.client import (
    BINARY_AUDIO,
    BINARY_FRAME,
    Audio,
    Calibrate,
    Configure,
    Event,
    Frame,
    decode,
    encode_binary,
)
from app.protocol.contract import (
    CLOSE_FULL,
    CLOSE_INTERNAL,
    CLOSE_TOO_BIG,
    SMOOTHING_BOUNDS,
    VERSION,
    WEIGHT_BOUNDS,
    ErrorCode,
    ProtocolError,
)
from app.protocol.server import (
    Calibration,
    CalibrationState,
    Configured,
    Dropped,
    Error,
    FacePart,
    FaceState,
    Features,
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
    "CLOSE_FULL",
    "CLOSE_INTERNAL",
    "CLOSE_TOO_BIG",
    "SMOOTHING_BOUNDS",
    "VERSION",
    "WEIGHT_BOUNDS",
    "Audio",
    "Calibrate",
    "Calibration",
    "CalibrationState",
    "Configure",
    "Configured",
    "Dropped",
    "Error",
    "ErrorCode",
    "Event",
    "FacePart",
    "FaceState",
    "Features",
    "Frame",
    "FusedPart",
    "FusedState",
    "Knows",
    "Limits",
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
            CLOSE_TOO_BIG: "a message was too big",
            CLOSE_INTERNAL: "internal error",
            1012: "the server restarts",
            CLOSE_FULL: "the server is full",
        },
    }
