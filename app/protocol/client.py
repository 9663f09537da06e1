"""Client to server: wire messages to typed events."""

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from app.protocol.contract import LONGEST_TOKEN, SMOOTHING_BOUNDS, WEIGHT_BOUNDS, ErrorCode, ProtocolError

_BINARY_HEADER = struct.Struct("<BI")
BINARY_HEADER_BYTES: Final = _BINARY_HEADER.size
"""Of a binary message, before its payload."""
BINARY_AUDIO: Final = 0x01
BINARY_FRAME: Final = 0x02
BINARY_KINDS: Final = {BINARY_AUDIO: "PCM16, Int16 little-endian, 16 kHz, mono", BINARY_FRAME: "JPEG"}
_JPEG_SOI = b"\xff\xd8"
_NO_PCM16: Final = "expected whole Int16 samples, at least one"
_NO_JPEG: Final = "not a JPEG"
_LONGEST_ERROR = 200


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
    if not _is_pcm16(pcm):
        raise PydanticCustomError("invalid_audio", _NO_PCM16)
    return pcm


def _jpeg(value: object) -> bytes:
    jpeg = _bytes(value)
    if not _is_jpeg(jpeg):
        raise PydanticCustomError("invalid_image", _NO_JPEG)
    return jpeg


def _is_pcm16(payload: bytes) -> bool:
    return len(payload) > 0 and len(payload) % 2 == 0


def _is_jpeg(payload: bytes) -> bool:
    return payload.startswith(_JPEG_SOI)


def _base64(media_type: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": media_type})


Id = Annotated[int, Field(ge=0, le=2**32 - 1)]


# Unknown fields are ignored, so that a newer client can talk to an older server.
_CONFIG: Final = ConfigDict(strict=True, extra="ignore", use_attribute_docstrings=True)


class _ClientMessage(BaseModel):
    model_config = ConfigDict(frozen=True, **_CONFIG)


# Sound and pictures are no pydantic models: most come in binary messages, of which pydantic has nothing to read.


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """A chunk of sound."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    type: Literal["audio"] = "audio"
    pcm16: Annotated[bytes, BeforeValidator(_pcm16), _base64("audio/L16")]
    """Int16 little-endian, 16 kHz, mono."""
    id: Id | None = None
    """The client's own number, ever increasing; a result names the newest it used."""

    @property
    def samples(self) -> NDArray[np.int16]:
        """The chunk as Int16 samples, shape [N]."""
        return np.frombuffer(self.pcm16, dtype="<i2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of the camera."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
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
    """Per-person calibration. Answered by `calibration`, or by the error `unsupported`, see `ready.features`."""

    type: Literal["calibrate"] = "calibrate"
    action: Literal["start", "skip", "reset"]
    """Collect what the viewer does while neutral; stop collecting, and keep what is in force; forget all of it."""


class Authenticate(_ClientMessage):
    """Proves that this viewer may connect: the first message to a server that has a token, see `challenge`."""

    type: Literal["authenticate"] = "authenticate"
    token: Annotated[SecretStr, Field(max_length=LONGEST_TOKEN)]
    """The server's `API_TOKEN`."""


Media = Audio | Frame
Event = Media | Configure | Calibrate | Authenticate
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


def encode_binary(kind: int, number: int, payload: bytes) -> bytes:
    """Return a binary message, for clients in Python.

    Args:
        kind: `BINARY_AUDIO` or `BINARY_FRAME`.
        number: The client's own id, an unsigned 32-bit number.
        payload: PCM16 or a JPEG.
    """
    return _BINARY_HEADER.pack(kind, number) + payload


def _decode_binary(message: bytes) -> Event:
    if len(message) < _BINARY_HEADER.size:
        raise ProtocolError("invalid_message", "a binary message has a kind (u8), an id (u32) and a payload")
    kind, number = _BINARY_HEADER.unpack_from(message)
    payload = message[_BINARY_HEADER.size :]
    if kind == BINARY_AUDIO:
        if not _is_pcm16(payload):
            raise ProtocolError("invalid_audio", _NO_PCM16)
        return Audio(pcm16=payload, id=number)
    if kind == BINARY_FRAME:
        if not _is_jpeg(payload):
            raise ProtocolError("invalid_image", _NO_JPEG)
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
    if code == "unknown_type":  # the fault's own words repeat what the client wrote
        return ProtocolError(code, "`type` is not one of audio, frame, configure, calibrate, authenticate")
    where = ".".join(str(part) for part in fault["loc"][1:])
    text = f"{where}: {fault['msg']}" if where else fault["msg"]
    return ProtocolError(code, text[:_LONGEST_ERROR])


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the client's messages."""
    return _CLIENT.json_schema()
