"""One viewer's connection: receive, tick, send. A thin asyncio shell around `Session`.

Three tasks serve a viewer. One receives and feeds the session; sound and pictures come to it straight from the wire
where that is `app.guard.wire`'s, so that it need not wake for each. One ticks: it asks the models and puts
the result in a slot. One sends what is in the slot. A slow reader, once the connection's buffers are full,
blocks the sender alone, so that the slot's result is replaced by a newer one (and counted); a slow model blocks
only its own path.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial

from starlette.websockets import WebSocket, WebSocketDisconnect

from app import protocol
from app.guard.limits import Allowance
from app.guard.wire import EXTENSION, Shortcut
from app.inference.interface import Inference
from app.moments import Moments
from app.questions import Questions
from app.settings import Settings
from app.viewer.session import Session
from app.viewer.ticking import Schedule, slot
from app.watch.telemetry import Visit
from models.labels import LABELS

Clock = Callable[[], float]


class Connection:
    """Serves one viewer who has been let in.

    Args:
        socket: Accepted.
        settings: The server's settings.
        inference: Answers for the models.
        name: Of the session, drawn at random.
        visit: Takes what happens.
        moments: At which results are due, one for all viewers.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        socket: WebSocket,
        settings: Settings,
        inference: Inference,
        name: str,
        visit: Visit,
        moments: Moments,
        clock: Clock,
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._inference = inference
        self._name = name
        self._visit = visit
        self._moments = moments
        self._clock = clock
        self._session = Session(
            settings, clock(), inference.voice_traits, inference.face_traits, inference.fusion_traits
        )
        self._allowance = Allowance(settings, clock())
        self._told = self._session.calibration
        self._slot: protocol.Result | None = None
        self._filled = asyncio.Event()
        self._say_error = partial(_say_error, socket, visit)  # no method: what is asked would keep this alive
        self._questions = Questions(self._session, inference, settings.inference_timeout, self._say_error, clock)

    async def run(self) -> None:
        """Serve until one of the tasks ends; no task outlives this call."""
        await self._say(self._ready())
        tasks = [asyncio.create_task(part) for part in (self._receive(), self._tick(), self._send())]
        shortcut: Shortcut | None = self._socket.scope.get("extensions", {}).get(EXTENSION)
        if shortcut is not None:
            shortcut.take = self._take_at_once
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if shortcut is not None:
                shortcut.take = None
            tasks += self._questions.let_go()
            for task in tasks:
                task.cancel()
            # Not `gather`, which loses the message of a cancellation: anyio knows its own by that.
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # seen, so that asyncio does not complain; the first was raised above

    # --- receive ---

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            await asyncio.sleep(0)  # what came at once is taken in turn with what other viewers sent
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"], message.get("reason"))
            text = message.get("text")
            payload: str | bytes = message["bytes"] if text is None else text
            size, most = _size(payload), self._settings.max_message_bytes
            if size > most:
                raise protocol.FarewellError("too_big", f"a message may have {most} bytes")
            try:
                self._allowance.receive(size, self._clock())
                await self._take(protocol.decode(payload, max_frame_bytes=self._settings.max_frame_bytes))
            except protocol.ProtocolError as fault:
                self._allowance.fault(self._clock())
                # Sent from here, so that a viewer who sends nonsense and reads nothing blocks itself.
                await self._say_error(fault.code, fault.message)

    def _take_at_once(self, message: bytes) -> bool:
        """Take a message with sound or a picture from the wire; what calls for an answer is left to be received."""
        if len(message) > self._settings.max_message_bytes:
            return False
        try:
            event = protocol.decode(message, max_frame_bytes=self._settings.max_frame_bytes)
        except protocol.ProtocolError:
            return False
        now = self._clock()
        if not isinstance(event, protocol.Media) or not self._allowance.take_whole(event, len(message), now):
            return False
        self._visit.received(event.type)
        self._take_media(event, now)
        return True

    def _take_media(self, event: protocol.Media, now: float) -> None:
        if isinstance(event, protocol.Audio):
            self._session.receive_audio(event.samples, event.id, now)
        else:
            self._session.receive_frame(event.jpeg, event.id, now)

    async def _take(self, event: protocol.Event) -> None:
        now = self._clock()
        self._allowance.take(event, now)
        self._visit.received(event.type)
        match event:
            case protocol.Audio() | protocol.Frame():  # not from the wire, or not taken at once
                self._take_media(event, now)
            case protocol.Configure():
                self._session.configure(event)
                await self._say(protocol.Configured(settings=self._session.settings))
            case protocol.Calibrate() if self._session.can_calibrate:
                self._session.calibrate(event, now)
                await self._tell_calibration()
            case protocol.Calibrate():
                raise protocol.ProtocolError("unsupported", "the models of this server cannot be calibrated")
            case protocol.Authenticate():
                pass  # who is here has shown what was to be shown

    # --- tick ---

    async def _tick(self) -> None:
        interval = self._settings.result_interval
        schedule = Schedule(interval, slot(self._clock(), interval))
        while True:
            due, missed = schedule.next(self._clock())
            self._session.miss_results(missed)
            await self._moments.until(due)
            started = self._clock()
            self._allowance.stay(started)
            self._visit.ticked(started - due, missed)
            self._questions.lose_patience()
            await self._questions.ask(started + interval / 2)
            now = self._clock()
            millis = {path: _millis(seconds) for path, seconds in self._questions.take_seconds().items()}
            times = protocol.Millis(**millis, total=_millis(now - started))
            result = self._session.result(now, times)
            self._put(result)
            self._report(result, math.inf if missed else now - due, now)

    def _report(self, result: protocol.Result, late: float, now: float) -> None:
        """Report a result; one for which a model still owes an answer is as late as can be."""
        if self._questions.is_waiting:
            late = max(late, self._settings.result_interval / 2)
        ages = {medium: now - at for medium, at in self._questions.take_arrivals().items()}
        self._visit.result(result, late, ages, self._session.losses)

    # --- send ---

    def _put(self, result: protocol.Result) -> None:
        if self._slot is not None:
            self._session.miss_results(1, "unread")
        self._slot = result
        self._filled.set()

    async def _send(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            result, self._slot = self._slot, None
            if result is not None:
                await self._say(result)
            # By itself it changes while it collects alone; what a viewer does to it is told at once.
            if self._told.state == "collecting" and self._session.calibration != self._told:
                await self._tell_calibration()

    async def _tell_calibration(self) -> None:
        self._told = self._session.calibration
        await self._say(self._told)

    async def _say(self, message: protocol.ServerMessage) -> None:
        await self._socket.send_text(protocol.encode(message))

    def _ready(self) -> protocol.Ready:
        models = self._inference
        return protocol.Ready(
            session=self._name,
            labels=LABELS,
            models=protocol.Models(voice=models.voice_name, face=models.face_name, fusion=models.fusion_name),
            knows=protocol.Knows(
                voice=models.voice_traits.labels,
                face=models.face_traits.labels,
                fusion=None if models.fusion_traits is None else models.fusion_traits.labels,
            ),
            fallback=models.fallback,
            settings=self._session.settings,
            limits=protocol.Limits(
                message_bytes=self._settings.max_message_bytes,
                frame_bytes=min(
                    self._settings.max_frame_bytes, self._settings.max_message_bytes - protocol.BINARY_HEADER_BYTES
                ),
                frame_pixels=self._settings.max_frame_pixels,
            ),
            features=protocol.Features(calibration=self._session.can_calibrate),
        )


async def _say_error(socket: WebSocket, visit: Visit, code: protocol.ErrorCode, message: str) -> None:
    visit.error(code)
    await socket.send_text(protocol.encode(protocol.Error(code=code, message=message, recoverable=True)))


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _size(payload: str | bytes) -> int:
    return len(payload) if isinstance(payload, bytes) else len(payload.encode())
