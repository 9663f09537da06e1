"""Server to client: typed messages, and the text that is sent."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.protocol.contract import SMOOTHING_BOUNDS, VERSION, WEIGHT_BOUNDS, ErrorCode
from models.labels import LABELS


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
    frame_pixels: int
    """Width x height of the largest frame."""
    fusion_weight: tuple[float, float] = WEIGHT_BOUNDS
    voice_smoothing: tuple[int, int] = SMOOTHING_BOUNDS
    face_smoothing: tuple[int, int] = SMOOTHING_BOUNDS


class Models(_ServerMessage):
    """Names of the models that answer."""

    voice: str
    face: str
    fusion: str | None = None
    """Of the model that hears and sees at once; null for late fusion."""


class Knows(_ServerMessage):
    """The labels that each model can say; its probabilities of the others are always 0."""

    voice: tuple[str, ...] = LABELS
    face: tuple[str, ...] = LABELS
    fusion: tuple[str, ...] | None = None
    """Null for late fusion, which takes them from the other two."""


class Features(_ServerMessage):
    """What this server can do beyond the stream."""

    calibration: bool = False
    """Whether at least one of the models can be calibrated to a person."""


class Challenge(_ServerMessage):
    """The server wants to know who connects: answer with `authenticate`; `ready` follows."""

    type: Literal["challenge"] = "challenge"
    timeout: float
    """Seconds in which to answer."""


class Ready(_ServerMessage):
    """The first message of a stream."""

    type: Literal["ready"] = "ready"
    protocol: Literal[1] = VERSION
    session: str
    """A random name for this connection."""
    labels: tuple[str, ...]
    models: Models
    knows: Knows = Knows()
    fallback: str | None
    """Why the preferred face model could not be had, in one sentence; null where it could."""
    settings: ViewerSettings
    limits: Limits
    features: Features = Features()


class Configured(_ServerMessage):
    """The answer to `configure`: the settings now in force."""

    type: Literal["configured"] = "configured"
    settings: ViewerSettings


CalibrationState = Literal["none", "collecting", "done", "failed"]


class Calibration(_ServerMessage):
    """How far the calibration is: sent when that changes, and as the answer to `calibrate`."""

    type: Literal["calibration"] = "calibration"
    state: CalibrationState
    progress: float
    """How near the end of collecting is, 0 to 1."""
    voice: bool
    """Whether what was learnt of the voice is in force."""
    face: bool
    """Whether what was learnt of the face is in force."""
    heard: float | None = None
    """How much of the voice that is needed was collected, 0 to 1; null where its model cannot be calibrated."""
    seen: float | None = None
    """The same for the face."""


VoiceState = Literal["ok", "silence", "warming", "absent"]
FaceState = Literal["ok", "no_face", "stale", "absent"]
FusedState = Literal["ok", "voice_only", "face_only", "none"]
FusedBy = Literal["model", "late"]


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
    by: FusedBy | None = None
    """What put both together: the fusion model, or late fusion; null where one alone is shown, or nothing."""


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
    """Frames that a newer one replaced, or that grew stale, before they were used."""
    audio: int = 0
    """Chunks whose sound left the ring buffer before a window covered it."""
    results: int = 0
    """Results missed because the viewer read slowly, or the server was late."""


class Millis(_ServerMessage):
    """Server time in milliseconds; that of a model is null where no answer of it came for this result."""

    voice: float | None = None
    face: float | None = None
    fusion: float | None = None
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
    """The most probable labels of `fused`, up to five of those that it can name; empty where it is `none`."""
    level: float
    """RMS of the sound since the last result, 0 to 1."""
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


ServerMessage = Challenge | Ready | Configured | Calibration | Result | Error
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
    """Return the JSON Schema of the server's messages."""
    return _SERVER.json_schema(mode="serialization")
