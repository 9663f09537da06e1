"""Protocol version 1: wire messages <-> typed events, and the JSON Schema of every message.

Pure: bytes and text in, events out. `docs/protocol.md` describes the same for people.
"""

import base64
import binascii
import struct
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

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

_BINARY_HEADER = struct.Struct("<BI")
_BINARY_AUDIO = 0x01
_BINARY_FRAME = 0x02
_JPEG_SOI = b"\xff\xd8"
_LONGEST_ERROR = 200


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


# --- client to server ---------------------------------------------------------------------------------


def _bytes(value: object) -> bytes:
    """Take base64 text (from JSON) or bytes (from a binary message)."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_base64", "expected base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("invalid_base64", "not valid base64") from None


def _pcm16(value: object) -> bytes:
    pcm = _bytes(value)
    if not pcm or len(pcm) % 2:
        raise PydanticCustomError("invalid_audio", "expected whole Int16 samples, at least one")
    return pcm


def _jpeg(value: object) -> bytes:
    jpeg = _bytes(value)
    if not jpeg.startswith(_JPEG_SOI):
        raise PydanticCustomError("invalid_image", "not a JPEG")
    return jpeg


def _base64(media_type: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": media_type})


Id = Annotated[int, Field(ge=0, le=2**32 - 1)]


class _ClientMessage(BaseModel):
    # Unknown fields are ignored, so that a newer client can talk to an older server.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", use_attribute_docstrings=True)


class Audio(_ClientMessage):
    """A chunk of sound."""

    type: Literal["audio"] = "audio"
    pcm16: Annotated[bytes, BeforeValidator(_pcm16), _base64("audio/L16")]
    """Int16 little-endian, 16 kHz, mono."""
    id: Id | None = None
    """The client's own number, ever increasing; a result names the newest it used."""

    @property
    def samples(self) -> NDArray[np.int16]:
        """The chunk as Int16 samples, shape [N]."""
        return np.frombuffer(self.pcm16, dtype="<i2")


class Frame(_ClientMessage):
    """One picture of the camera."""

    type: Literal["frame"] = "frame"
    jpeg: Annotated[bytes, BeforeValidator(_jpeg), _base64("image/jpeg")]
    """One JPEG."""
    id: Id | None = None
    """The client's own number, ever increasing; a result names the newest it used."""


class Configure(_ClientMessage):
    """Change this viewer's own settings; what is left out stays as it is. Answered by `configured`."""

    type: Literal["configure"] = "configure"
    fusion_weight: Annotated[float, Field(ge=WEIGHT_BOUNDS[0], le=WEIGHT_BOUNDS[1])] | None = None
    """Weight of the voice in the fusion."""
    voice_smoothing: Annotated[int, Field(ge=SMOOTHING_BOUNDS[0], le=SMOOTHING_BOUNDS[1])] | None = None
    """Voice windows that are averaged."""
    face_smoothing: Annotated[int, Field(ge=SMOOTHING_BOUNDS[0], le=SMOOTHING_BOUNDS[1])] | None = None
    """Face frames that are averaged."""


class Calibrate(_ClientMessage):
    """Per-person calibration; answered with the error `unsupported` while `ready.features` says so."""

    type: Literal["calibrate"] = "calibrate"
    action: Annotated[str, Field(min_length=1, max_length=32)]
    """What to do, for example `start`."""


Event = Audio | Frame | Configure | Calibrate
_CLIENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def decode(message: str | bytes, *, max_frame_bytes: int | None = None) -> Event:
    """Turn one WebSocket message into a typed event.

    Text is JSON. Binary is one byte (0x01 PCM16, 0x02 JPEG), a little-endian u32 id, and the payload.

    Args:
        message: What arrived.
        max_frame_bytes: Largest JPEG taken, or None for any.

    Raises:
        ProtocolError: the message cannot be taken; nothing else is ever raised.
    """
    try:
        event = _decode_binary(message) if isinstance(message, bytes) else _CLIENT.validate_json(message)
    except ValidationError as error:
        raise _typed(error) from None
    if isinstance(event, Frame) and max_frame_bytes is not None and len(event.jpeg) > max_frame_bytes:
        raise ProtocolError("frame_too_big", f"a frame may have {max_frame_bytes} bytes")
    return event


def _decode_binary(message: bytes) -> Event:
    if len(message) < _BINARY_HEADER.size:
        raise ProtocolError("invalid_message", "a binary message has a kind (u8), an id (u32) and a payload")
    kind, number = _BINARY_HEADER.unpack_from(message)
    payload = message[_BINARY_HEADER.size :]
    if kind == _BINARY_AUDIO:
        return Audio(pcm16=payload, id=number)
    if kind == _BINARY_FRAME:
        return Frame(jpeg=payload, id=number)
    raise ProtocolError("unknown_type", f"binary kind 0x{kind:02x} is not known")


_CODE_OF_FAULT: Final[dict[str, ErrorCode]] = {
    "json_invalid": "invalid_json",
    "string_unicode": "invalid_json",
    "union_tag_invalid": "unknown_type",
    "invalid_base64": "invalid_base64",
    "invalid_audio": "invalid_audio",
    "invalid_image": "invalid_image",
}


def _typed(error: ValidationError) -> ProtocolError:
    fault = error.errors(include_url=False, include_input=False)[0]
    code = _CODE_OF_FAULT.get(fault["type"], "invalid_message")
    where = ".".join(str(part) for part in fault["loc"][1:])
    text = f"{where}: {fault['msg']}" if where else fault["msg"]
    return ProtocolError(code, text[:_LONGEST_ERROR])


# --- server to client ---------------------------------------------------------------------------------


class _ServerMessage(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ViewerSettings(_ServerMessage):
    """The settings in force for this viewer."""

    fusion_weight: float
    voice_smoothing: int
    face_smoothing: int
    result_interval: float
    """Seconds between two results; the server's."""
    voice_window: float
    """Seconds of sound in one voice window; the server's."""
    silence_rms: float
    """RMS below which a window is silence; the server's."""


class Limits(_ServerMessage):
    """What the server takes, and the bounds of what `configure` may set."""

    message_bytes: int
    frame_bytes: int
    fusion_weight: tuple[float, float] = WEIGHT_BOUNDS
    voice_smoothing: tuple[int, int] = SMOOTHING_BOUNDS
    face_smoothing: tuple[int, int] = SMOOTHING_BOUNDS


class Models(_ServerMessage):
    """Names of the models that answer."""

    voice: str
    face: str


class Features(_ServerMessage):
    """What this server can do beyond the stream."""

    calibration: bool = False


class Ready(_ServerMessage):
    """The first message of a connection."""

    type: Literal["ready"] = "ready"
    protocol: Literal[1] = VERSION
    session: str
    """A random name for this connection."""
    labels: tuple[str, ...]
    models: Models
    fallback: str | None
    """Why the preferred face model could not be had, in one sentence; null where it could."""
    settings: ViewerSettings
    limits: Limits
    features: Features = Features()


class Configured(_ServerMessage):
    """The answer to `configure`: the settings now in force."""

    type: Literal["configured"] = "configured"
    settings: ViewerSettings


VoiceState = Literal["ok", "silence", "warming", "absent"]
FaceState = Literal["ok", "no_face", "stale", "absent"]
FusedState = Literal["ok", "voice_only", "face_only", "none"]


class VoicePart(_ServerMessage):
    """What the voice says."""

    state: VoiceState
    label: str | None = None
    probs: dict[str, float] = {}


class FacePart(_ServerMessage):
    """What the face says."""

    state: FaceState
    label: str | None = None
    probs: dict[str, float] = {}
    box: tuple[float, float, float, float] | None = None
    """x, y, width, height as fractions of the frame."""


class FusedPart(_ServerMessage):
    """Both together."""

    state: FusedState
    label: str | None = None
    probs: dict[str, float] = {}


class Ranked(_ServerMessage):
    """One row of the Top-5; the label's first letter is a capital."""

    label: str
    prob: float


class Used(_ServerMessage):
    """Ids of the newest sound and frame behind what this result shows; null where none is."""

    audio: int | None = None
    frame: int | None = None


class Dropped(_ServerMessage):
    """What was lost since the session began."""

    frames: int = 0
    """Frames replaced by a newer one before they were used."""
    audio: int = 0
    """Chunks whose sound left the ring buffer before a window covered it."""
    results: int = 0
    """Results missed because the viewer read slowly, or the server was late."""


class Millis(_ServerMessage):
    """Server time in milliseconds; a path that was not asked for this result is null."""

    voice: float | None = None
    face: float | None = None
    total: float = 0.0


class Result(_ServerMessage):
    """What is known at time `t`."""

    type: Literal["result"] = "result"
    t: float
    """Seconds since the session began."""
    voice: VoicePart
    face: FacePart
    fused: FusedPart
    top5: tuple[Ranked, ...] = ()
    """The five most probable labels of `fused`; empty where it is `none`."""
    level: float
    """RMS of the newest sound, 0 to 1."""
    used: Used
    dropped: Dropped
    ms: Millis = Millis()


class Error(_ServerMessage):
    """Something went wrong."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    recoverable: bool
    """Whether the stream goes on."""


ServerMessage = Ready | Configured | Result | Error
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])


def encode(message: ServerMessage) -> str:
    """Turn a server message into the text that is sent."""
    return message.model_dump_json()


def decode_server(text: str | bytes) -> ServerMessage:
    """Turn the text that a server sent into a typed message, for clients in Python.

    Raises:
        ValueError: it is not a message of this protocol.
    """
    return _SERVER.validate_json(text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of every message, both ways, as served at `/protocol.json`."""
    return {
        "protocol": VERSION,
        "client": _CLIENT.json_schema(),
        "server": _SERVER.json_schema(mode="serialization"),
        "binary": {
            "header": "u8 kind, u32 little-endian id, then the payload",
            "kinds": {_BINARY_AUDIO: "PCM16, Int16 little-endian, 16 kHz, mono", _BINARY_FRAME: "JPEG"},
        },
        "close": {
            CLOSE_TOO_BIG: "a message was too big",
            CLOSE_INTERNAL: "internal error",
            1012: "the server restarts",
            CLOSE_FULL: "the server is full",
        },
    }
