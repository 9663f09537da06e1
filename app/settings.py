"""Every knob of the server: one class, read from the environment and from `.env`, validated at the start.

`scripts/settings_table.py` writes `.env.example` and the README's table from this class.
"""

import ipaddress
import math
from pathlib import Path
from typing import Annotated, Final, Literal

from dotenv.parser import parse_stream
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.guard.origin import Origin
from app.protocol import LONGEST_TOKEN, SMOOTHING_BOUNDS, WEIGHT_BOUNDS
from models.inference import MAX_PIXELS
from models.windows import SILENCE_RMS

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = Path(".env")
"""In the folder where the program was started."""

BURST_SECONDS: Final = 20
"""A network that stalls delivers all at once what it held back; so much of it is taken of a viewer."""

LATE: Final = "late"
"""The fusion that needs no model of its own, see `app.viewer.fusion`."""

Weight = Annotated[float, Field(ge=WEIGHT_BOUNDS[0], le=WEIGHT_BOUNDS[1])]
Words = Annotated[tuple[str, ...], NoDecode]
"""A list, as text with commas between."""
Count = Annotated[int, Field(ge=SMOOTHING_BOUNDS[0], le=SMOOTHING_BOUNDS[1])]


class Settings(BaseSettings):
    """The server's settings. The environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_ignore_empty=True,
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    _env_file_read: Path | None = PrivateAttr(None)

    host: str = "127.0.0.1"
    """Address or name of this machine to listen on (`python -m app`); `0.0.0.0` lets other machines in."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on (`python -m app`); 0 takes a free one."""
    log_format: Literal["text", "json"] = "text"
    """What the log is written as; as JSON it has a line for each viewer who comes or leaves, and no addresses."""
    metrics: bool = True
    """Show figures for Prometheus at `/metrics`."""
    device_mode: bool = True
    """Give the models to browsers that want to run them themselves; whoever reaches the page can fetch them then."""

    voice_model: str = "audio_bilstm"
    """Voice model: a name in `weights/`."""
    face_model: str = "auto"
    """Face model: `auto` prefers HSEmotion and falls back to the embedded model; or the name of one."""
    fusion: str = LATE
    """Fusion: `late` weighs what voice and face say; or a model that hears and sees at once: a name in `weights/`."""
    inference_engine: Literal["onnx", "torch"] = "onnx"
    """What runs the models: ONNX Runtime, or PyTorch (needs `requirements.txt`)."""
    inference_backend: Literal["local", "ray"] = "local"
    """Where the models run: in this process, or as deployments of Ray Serve (docs/scaling.md)."""
    onnx_providers: Words = ("cpu",)
    """What ONNX Runtime runs the models on, the preferred first: `cpu`; with `onnxruntime-gpu` also `cuda,cpu`."""
    inference_threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads that one model call may use."""
    face_threads: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads that look at frames, each at others; 0 is one for each core, at most eight."""
    face_processes: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes that look at frames instead of those threads: more viewers for more memory. 0 has none."""
    max_batch: Annotated[int, Field(ge=1, le=256)] = 16
    """Most requests of different viewers that join one model call."""
    inference_timeout: Annotated[float, Field(ge=0.5, le=600)] = 10.0
    """Seconds that a model may take to answer; then the viewer is told `inference_failed`, and the stream goes on."""
    weights_dir: Path = Path("weights")
    """Folder of the trained models. Relative paths start at the project's folder; `~` is the home folder."""

    fusion_weight: Weight = 0.6
    """Weight of the voice in late fusion; the face has the rest. Viewers may change their own."""
    voice_smoothing: Count = 5
    """Voice windows that are averaged. Viewers may change their own."""
    face_smoothing: Count = 10
    """Face frames that are averaged. Viewers may change their own."""
    result_interval: Annotated[float, Field(ge=0.1, le=5.0)] = 0.5
    """Seconds between two results."""
    voice_window: Annotated[float, Field(ge=0.5, le=4.0)] = 1.0
    """Seconds of sound in one voice window."""
    silence_rms: Annotated[float, Field(ge=0.0, le=1.0)] = SILENCE_RMS
    """A window whose RMS (0 to 1) is below this is silence; 0 turns the gate off."""
    stale_after: Annotated[float, Field(ge=0.5, le=60.0)] = 2.0
    """Seconds until a frame is stale, and a microphone that sends nothing absent; at least twice `RESULT_INTERVAL`."""
    calibration_seconds: Annotated[float, Field(ge=3.0, le=30.0)] = 8.0
    """Seconds of a neutral voice, and of a neutral face, that a calibration collects."""
    detector_confidence: Annotated[float, Field(ge=0.5, le=1.0)] = 0.5
    """Least confidence at which the detector's find counts as a face; of a distant one it is 0.6 at least."""
    detect_every: Annotated[int, Field(ge=1, le=100)] = 8
    """Frames from one look of the detector to its next; between them the face it found is followed. 1: always looks."""

    max_viewers: Annotated[int, Field(ge=1, le=100_000)] = 250
    """Viewers at the same time; one more is told `full`."""
    admission_load: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    """Highest load, as measured, with a new viewer; else it is told `full`. 0 looks at `MAX_VIEWERS` only."""
    max_message_bytes: Annotated[int, Field(ge=16_384, le=16_777_216)] = 1_048_576
    """Longest message from a viewer; a longer one ends the connection."""
    max_frame_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 524_288
    """Largest JPEG; a larger one is refused, the stream goes on."""
    max_frame_pixels: Annotated[int, Field(ge=500_000, le=16_777_216)] = MAX_PIXELS
    """Most pixels of a picture (1920 x 1080); one with more is refused before it is decoded, the stream goes on."""
    max_messages_per_second: Annotated[float, Field(ge=0, le=100_000)] = 100.0
    """Messages that a viewer may send a second, over 20 s; what is more is refused. 0 sets no limit."""
    max_bytes_per_second: Annotated[int, Field(ge=0, le=1_000_000_000)] = 2_097_152
    """Bytes that a viewer may send a second, over 20 s; what is more is refused. 0 sets no limit."""
    max_audio_rate: Annotated[float, Field(ge=0, le=1000)] = 2.0
    """Seconds of sound that a viewer may send a second, over 20 s; what is more is refused. 0 sets no limit."""
    max_faults_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Messages of a viewer that are refused until the connection ends as abuse. 0 sets no limit."""
    max_viewers_per_address: Annotated[int, Field(ge=0, le=100_000)] = 20
    """Viewers from the same address (IPv6: the same /64), this machine's own left out. 0 sets no limit."""
    max_connects_per_address: Annotated[float, Field(ge=0, le=100_000)] = 20.0
    """Connections that an address may open a second, over 10 s, counted likewise (`python -m app`). 0 sets no limit."""
    max_connections_per_address: Annotated[int, Field(ge=0, le=100_000)] = 150
    """Open connections of an address, viewers or not, counted likewise (`python -m app`). 0 sets no limit."""
    max_requests_per_address: Annotated[float, Field(ge=0, le=100_000)] = 200.0
    """Requests that an address may make a second, over 10 s, counted likewise (`python -m app`). 0 sets no limit."""
    handshake_timeout: Annotated[float, Field(ge=0.5, le=600)] = 10.0
    """Seconds in which a request, or the stream's handshake, has to come whole (`python -m app`)."""
    unread_timeout: Annotated[float, Field(ge=0.5, le=600)] = 30.0
    """Seconds in which a client has to read 64 KiB of what waits for it, or else is cut off (`python -m app`)."""
    idle_timeout: Annotated[float, Field(ge=0, le=86_400)] = 120.0
    """Seconds without sound or picture until a viewer has to go; 0 waits for ever."""
    session_length: Annotated[float, Field(ge=0, le=604_800)] = 0.0
    """Seconds that a viewer may stay; 0 sets no limit: a session costs no more for being long (docs/security.md)."""

    allowed_origins: Words = ()
    """Origins of other pages that may use the stream, such as `https://example.org`, with commas between."""
    api_token: Annotated[SecretStr, Field(min_length=16, max_length=LONGEST_TOKEN)] | None = None
    """Token that a viewer has to show, 16 characters at least (docs/security.md); everybody may come without one."""
    authentication_timeout: Annotated[float, Field(ge=1, le=60)] = 10.0
    """Seconds in which a viewer has to show the token."""
    trusted_proxies: Words = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `-Proto` are believed, with commas between."""

    quick_check: bool = False
    """Measure the accuracy on RAVDESS and FER-2013 before serving."""
    quick_check_per_class: Annotated[int, Field(ge=0, le=100_000)] = 20
    """Most files of each label in the quick check; 0 takes all."""
    ravdess_root: Path | None = None
    """Folder of RAVDESS speech, for the quick check."""
    fer2013_root: Path | None = None
    """Folder of FER-2013 (label folders, or `fer2013.csv`), for the quick check."""

    @property
    def env_file_read(self) -> Path | None:
        """The `.env` that `load` read, or None."""
        return self._env_file_read

    @field_validator("weights_dir", "ravdess_root", "fer2013_root")
    @classmethod
    def _from_the_project(cls, path: Path | None) -> Path | None:
        try:
            return path and ROOT / path.expanduser()
        except RuntimeError:
            raise PydanticCustomError("no_home", "there is no such home folder") from None

    @field_validator("allowed_origins", "trusted_proxies", "onnx_providers", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            Origin.parse(origin)
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @field_validator("max_messages_per_second", "max_audio_rate")
    @classmethod
    def _one_at_once(cls, rate: float) -> float:
        if 0 < rate < 1 / BURST_SECONDS:
            raise PydanticCustomError("too_low", "should be 0 or at least {least}", {"least": 1 / BURST_SECONDS})
        return rate

    @field_validator("max_bytes_per_second")
    @classmethod
    def _a_message_at_once(cls, rate: int, info: ValidationInfo) -> int:
        longest = info.data.get("max_message_bytes")
        if longest is not None and 0 < rate * BURST_SECONDS < longest:
            raise PydanticCustomError(
                "too_low",
                "should be 0 or at least {least}, a {seconds}th of MAX_MESSAGE_BYTES, for a whole message to be taken",
                {"least": math.ceil(longest / BURST_SECONDS), "seconds": BURST_SECONDS},
            )
        return rate

    @field_validator("max_connections_per_address")
    @classmethod
    def _enough_for_its_viewers(cls, connections: int, info: ValidationInfo) -> int:
        viewers = info.data.get("max_viewers_per_address")
        if viewers is not None and 0 < connections < viewers:
            raise PydanticCustomError(
                "too_few", "should be at least MAX_VIEWERS_PER_ADDRESS, which is {viewers}", {"viewers": viewers}
            )
        return connections

    @field_validator("stale_after")
    @classmethod
    def _longer_than_a_frame_waits(cls, seconds: float, info: ValidationInfo) -> float:
        # A frame waits up to one interval to be looked at, and is shown for one more.
        interval = info.data.get("result_interval")
        if interval is not None and seconds < 2 * interval:
            raise PydanticCustomError(
                "too_short", "should be at least twice RESULT_INTERVAL, which is {interval}", {"interval": interval}
            )
        return seconds


def load() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        SystemExit: a setting is unknown or its value is refused, or `.env` cannot be read; the message is one
            readable line.
    """
    try:
        if ENV_FILE.is_file():
            _refuse_what_sets_nothing(ENV_FILE)
        settings = Settings()
        settings._env_file_read = ENV_FILE.absolute() if ENV_FILE.is_file() else None
        return settings
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"Settings refused: .env cannot be read: {error}") from None
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])).upper()}={_shown(fault)}: {_reason(fault)}" for fault in error.errors()
        )
        raise SystemExit(f"Settings refused: {'; '.join(faults)}") from None


def _refuse_what_sets_nothing(file: Path) -> None:
    """Stop where a line is no setting: it would be passed over, and a server that was to ask for a token be open."""
    with file.open(encoding="utf-8") as lines:
        for binding in parse_stream(lines):
            if binding.error or (binding.key is not None and binding.value is None):
                text = binding.original.string  # begins with the empty lines before
                line = binding.original.line + text[: -len(text.lstrip())].count("\n")
                raise SystemExit(f"Settings refused: .env, line {line}: not a setting as NAME=value")


def _shown(fault: ErrorDetails) -> object:
    return "**********" if fault["loc"] == ("api_token",) else fault["input"]


def _reason(fault: ErrorDetails) -> str:
    return "there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"]
