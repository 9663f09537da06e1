"""The models in this process: a question for each path, and one for both, answered off the event loop."""

from collections.abc import Callable, Sequence
from functools import partial

from app.inference.answering import FaceQuestion, FusionQuestion, VoiceQuestion, fuse, hear, see
from app.inference.batching import Batcher, Item, Outcome
from app.inference.interface import InferenceError, VoiceReading
from app.inference.processes import FaceProcess
from app.viewer.calibration import NOBODY
from models.inference import FacePath, FaceReading, Float32, FusionModel, Int16, Trace, UInt8, VoiceModel


def _ignore(path: str, size: int, seconds: float) -> None:
    """Nobody wants to know."""


class LocalInference:
    """The models in this process, one batcher each, and for faces as many as there are paths.

    Args:
        voice: Hears.
        face: Sees.
        fusion: Hears and sees at once; None for late fusion.
        more_faces: See as `face` does, each on a thread of its own.
        fallback: Why the preferred face model could not be had, or None.
        max_batch: Most questions in one call of a model.
        patience: Seconds after which a call hangs.
        observe: Called on the model's thread after each call, with the path (`voice`, `face`, `fusion`), the number
            of questions, and the seconds that it took.
    """

    def __init__(
        self,
        voice: VoiceModel,
        face: FacePath,
        fusion: FusionModel | None = None,
        *,
        more_faces: Sequence[FacePath] = (),
        fallback: str | None = None,
        max_batch: int = 16,
        patience: float = 10.0,
        observe: Callable[[str, int, float], None] = _ignore,
    ) -> None:
        self.voice_name = voice.name
        self.face_name = face.name
        self.fusion_name = None if fusion is None else fusion.name
        self.fallback = fallback
        self.voice_traits = voice.traits
        self.face_traits = face.model.traits
        self.fusion_traits = None if fusion is None else fusion.traits

        def batcher(
            name: str,
            path: str,
            run: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
            release: Callable[[], None] | None = None,
        ) -> Batcher[Item, Outcome]:
            told = partial(observe, path)
            return Batcher(name, run, max_batch=max_batch, patience=patience, release=release, observe=told)

        self._voices: Batcher[VoiceQuestion, VoiceReading] = batcher("voice model", "voice", partial(hear, voice))
        self._faces: list[tuple[FacePath, Batcher[FaceQuestion, FaceReading]]] = [
            (path, batcher("face path", "face", partial(see, path), path.close)) for path in (face, *more_faces)
        ]
        self._turn = 0
        self._fusions: Batcher[FusionQuestion, Float32] | None = None
        if fusion is not None:
            self._fusions = batcher("fusion model", "fusion", partial(fuse, fusion))

    async def voice(self, window: Int16, reference: Float32 = NOBODY) -> VoiceReading:
        """Return what is in a window [N] of somebody with a reference [80], `NOBODY` where none is known."""
        return await self._voices.submit(VoiceQuestion(window, reference))

    async def face(self, jpeg: bytes, trace: Trace | None = None) -> FaceReading:
        """Return what is in a frame, asking the least busy of the face paths; of some that are, each in turn.

        One that hangs or is down answers nobody: it is asked where all are.
        """

        def burden(one: tuple[FacePath, Batcher[FaceQuestion, FaceReading]]) -> tuple[bool, int]:
            path, batcher = one
            return batcher.hangs or (isinstance(path, FaceProcess) and path.is_down), batcher.pending

        self._turn += 1
        turn = self._turn % len(self._faces)
        paths = self._faces[turn:] + self._faces[:turn]
        _, least = min(paths, key=burden)
        return await least.submit(FaceQuestion(jpeg, trace))

    async def fusion(self, window: Int16, crop: UInt8) -> Float32:
        """Return the probabilities [7] of a window [N] and a face [size, size, channels] together."""
        if self._fusions is None:
            raise InferenceError("there is no fusion model")
        return await self._fusions.submit(FusionQuestion(window, crop))

    def close(self) -> None:
        """End the threads, and free what the face path holds."""
        self._voices.close()
        for _, batcher in self._faces:
            batcher.close()
        if self._fusions is not None:
            self._fusions.close()
