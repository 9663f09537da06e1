"""One replica of a model, without Ray around it; with a real Ray: tests/e2e/test_cluster.py."""

import asyncio
import threading
import time

import pytest
from arithmetic_models import BROKEN, FACE, SumFace, face_probs

from app.inference.answering import About, FaceQuestion, see
from app.inference.interface import InferenceError, InvalidImageError
from app.settings import Settings
from models.inference import Traits

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

FACE_SEEN, POISON = FaceQuestion(FACE, None), FaceQuestion(b"poison", None)


@pytest.fixture
def replica():
    from app.cluster import _Answering

    class Replica(_Answering):
        """Answers as `Face` does, once it may."""

        def __init__(self):
            self.go, self.threads = threading.Event(), set()
            super().__init__(Settings(_env_file=None, inference_timeout=0.5), About("sum", Traits()))

        def run(self, questions):
            self.threads.add(threading.get_ident())
            assert self.go.wait(10)
            if POISON in questions:
                raise ValueError("poison")
            return see(SumFace(), questions)

        async def batch(self, *questions):
            """Answer what Serve would have made a batch of."""
            began = time.monotonic()
            answers = await _Answering.answer.__wrapped__(self, list(questions))
            assert all(0 < answered.seconds <= time.monotonic() - began for answered in answers)
            return [answered.outcome for answered in answers]

    return Replica()


async def test_a_batch_is_answered_by_one_thread_each_question_by_itself(replica):
    replica.go.set()
    for _ in range(3):
        good, broken = await replica.batch(FACE_SEEN, FaceQuestion(BROKEN, None))
    assert good.probs == pytest.approx(face_probs(FACE))
    assert isinstance(broken, InvalidImageError)
    assert len(replica.threads) == 1 and threading.get_ident() not in replica.threads


async def test_a_question_on_which_the_model_fails_costs_the_others_in_its_batch_nothing(replica):
    replica.go.set()
    good, bad, other = await replica.batch(FACE_SEEN, POISON, FACE_SEEN)
    assert isinstance(bad, InferenceError)
    for reading in (good, other, *await replica.batch(FACE_SEEN)):
        assert reading.probs == pytest.approx(face_probs(FACE))


async def test_a_replica_is_ill_while_a_call_hangs_and_well_again_after_it(replica):
    replica.check_health()
    question = asyncio.create_task(replica.batch(FACE_SEEN))
    await asyncio.sleep(0)
    replica.check_health()  # it has only begun
    replica._patience = 0.0
    with pytest.raises(RuntimeError, match="sum hangs"):
        replica.check_health()
    replica.go.set()
    await question
    replica.check_health()
