"""What a viewer's neutral seconds teach: of answers made up by arithmetic, in times that the tests give."""

import numpy as np
import pytest
from arithmetic_models import NEUTRAL, probabilities
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.settings import Settings
from app.viewer.calibration import (
    FACE_STRENGTH,
    LEAST_READINGS,
    MOST_OFFSET,
    NOBODY,
    PATIENCE,
    VOICE_STRENGTH,
    Calibrator,
    neutral_offset,
)
from models.calibration import REFERENCE, reference
from models.inference import Traits

ADAPTIVE, KNOWN, PLAIN = Traits(adaptive=True), Traits(neutral=NEUTRAL), Traits()
BOTH = ("voice", "face")
STATISTICS = np.concatenate([np.linspace(-1, 1, 40), np.linspace(1.5, 3, 40)]).astype(np.float32)
PROBS = st.floats(-100, 100).map(probabilities)
NEEDED = 16  # readings: 8 s at two a second


def new_calibrator(voice=KNOWN, face=KNOWN, **changes) -> Calibrator:
    return Calibrator(Settings(_env_file=None, **changes), voice, face)


def read(calibrator, readings, *, start=0.0, heard=True, seen=True, value=1.0, live=BOTH):
    """So many half seconds of a neutral viewer from the first whole window on; returns the time."""
    calibrator.start(start)
    now = start + 0.5
    for _ in range(readings):
        now += 0.5
        if heard:
            calibrator.hear(now, probabilities(value), STATISTICS)
        if seen:
            calibrator.see(now, probabilities(value))
        calibrator.advance(now, live)
    return now


def summary(calibrator):
    status = calibrator.status
    return status.state, status.voice, status.face


# --- the neutral offset ---


@given(st.lists(PROBS, min_size=1, max_size=20))
def test_an_offset_is_finite_and_within_bounds(answers):
    offset = neutral_offset(answers, NEUTRAL)
    assert offset.shape == (7,)
    assert np.isfinite(offset).all()
    assert np.abs(offset).max() <= MOST_OFFSET


def test_who_is_neutral_as_all_are_has_no_offset():
    assert neutral_offset([np.array(NEUTRAL, np.float32)] * 5, NEUTRAL) == pytest.approx(np.zeros(7), abs=1e-6)


def test_an_offset_is_what_the_geometric_mean_has_more_than_all_people_have():
    one, other = probabilities(1.0), probabilities(1.1)
    mean = np.sqrt(one * other) / np.sqrt(one * other).sum()
    expected = np.clip(np.log(mean / np.array(NEUTRAL)), -2, 2)
    assert neutral_offset([one, other], NEUTRAL) == pytest.approx(expected, abs=1e-5)


def test_certainty_and_impossibility_stay_finite():
    certain = np.eye(7, dtype=np.float32)[0]
    offset = neutral_offset([certain], (0.0, 1.0, 0, 0, 0, 0, 0))
    assert offset[:2].tolist() == [MOST_OFFSET, -MOST_OFFSET]
    assert np.isfinite(offset).all()


# --- what is learnt ---


def test_an_adaptive_voice_gets_a_reference_and_no_factors():
    calibrator = new_calibrator(Traits(adaptive=True, neutral=NEUTRAL))
    read(calibrator, NEEDED)
    assert summary(calibrator) == ("done", True, True)
    assert calibrator.reference == pytest.approx(VOICE_STRENGTH * reference([STATISTICS] * NEEDED))
    assert calibrator.learnt.voice is None
    offset = neutral_offset([probabilities(1.0)], NEUTRAL)
    assert calibrator.learnt.face == pytest.approx(np.exp(-FACE_STRENGTH * offset))


def test_a_voice_that_is_not_adaptive_gets_factors_and_no_reference():
    calibrator = new_calibrator()
    read(calibrator, NEEDED)
    offset = neutral_offset([probabilities(1.0)], NEUTRAL)
    assert calibrator.learnt.voice == pytest.approx(np.exp(-VOICE_STRENGTH * offset))
    assert calibrator.reference is NOBODY


@pytest.mark.parametrize(
    ("voice", "face", "learns"),
    [(PLAIN, PLAIN, (False, False)), (ADAPTIVE, PLAIN, (True, False)), (PLAIN, KNOWN, (False, True))],
)
def test_only_what_the_models_know_of_neutral_people_can_be_learnt(voice, face, learns):
    calibrator = new_calibrator(voice, face)
    assert (calibrator.learns("voice"), calibrator.learns("face")) == learns
    now = read(calibrator, NEEDED)
    calibrator.advance(now + 100, BOTH)
    status = calibrator.status
    assert (status.voice, status.face) == learns
    assert (status.heard, status.seen) == tuple(1.0 if known else None for known in learns)


def test_a_window_that_began_before_the_start_does_not_count():
    calibrator = new_calibrator(ADAPTIVE, PLAIN)
    calibrator.start(10.0)
    calibrator.hear(10.5, probabilities(1.0), STATISTICS)
    assert calibrator.status.heard == 0.0
    calibrator.hear(11.0, probabilities(1.0), STATISTICS)
    assert calibrator.status.heard == 1 / NEEDED


def test_a_window_in_which_nobody_speaks_does_not_count():
    calibrator = new_calibrator(ADAPTIVE, PLAIN)
    calibrator.start(10.0)
    calibrator.hear(11.0, probabilities(1.0), STATISTICS / np.float32(20))
    assert calibrator.status.heard == 0.0


def test_nothing_is_collected_before_the_start_or_after_the_end():
    calibrator = new_calibrator(ADAPTIVE)
    calibrator.hear(1.0, probabilities(1.0), STATISTICS)
    calibrator.see(1.0, probabilities(1.0))
    assert (calibrator.status.heard, calibrator.status.seen) == (0.0, 0.0)
    now = read(calibrator, NEEDED)
    learnt = calibrator.learnt
    calibrator.hear(now + 1, probabilities(2.0), -STATISTICS)
    calibrator.advance(now + 100, BOTH)
    assert calibrator.learnt is learnt


# --- when it ends ---


def test_it_ends_when_every_live_path_has_enough():
    calibrator = new_calibrator()
    read(calibrator, NEEDED - 1)
    assert calibrator.status.state == "collecting"
    assert calibrator.status.progress == pytest.approx(15 / 16, abs=1e-3)
    read(calibrator, NEEDED)
    assert calibrator.status.state == "done"


@pytest.mark.parametrize("only", BOTH)
def test_a_path_that_sends_nothing_is_not_awaited(only):
    calibrator = new_calibrator()
    read(calibrator, NEEDED, heard=only == "voice", seen=only == "face", live=(only,))
    assert summary(calibrator) == ("done", only == "voice", only == "face")


def test_a_live_path_without_readings_is_awaited_as_long_as_patience_lasts():
    calibrator = new_calibrator()
    now = read(calibrator, NEEDED + 4, seen=False)
    assert calibrator.status.state == "collecting"
    assert calibrator.status.progress == pytest.approx(now / (PATIENCE * 8), abs=1e-3)
    calibrator.advance(PATIENCE * 8, BOTH)
    assert summary(calibrator) == ("done", True, False)
    assert calibrator.status.seen == 0.0


def test_fewer_than_four_readings_teach_nothing():
    for readings, state in ((LEAST_READINGS - 1, "failed"), (LEAST_READINGS, "done")):
        calibrator = new_calibrator(ADAPTIVE)
        read(calibrator, readings)
        calibrator.advance(PATIENCE * 8, BOTH)
        assert calibrator.status.state == state


def test_a_viewer_who_sends_nothing_fails_in_the_end():
    calibrator = new_calibrator()
    read(calibrator, 30, heard=False, seen=False, live=())
    assert calibrator.status.state == "collecting"
    calibrator.advance(PATIENCE * 8, ())
    assert summary(calibrator) == ("failed", False, False)


@pytest.mark.parametrize(("interval", "seconds"), [(0.1, 3.0), (5.0, 3.0), (0.3, 30.0)])
def test_at_any_pace_there_is_time_for_what_is_needed(interval, seconds):
    calibrator = new_calibrator(result_interval=interval, stale_after=60, calibration_seconds=seconds)
    calibrator.start(0.0)
    now = 0.0
    while calibrator.status.state == "collecting":
        now += interval
        calibrator.see(now, probabilities(1.0))
        calibrator.advance(now, ("face",))
    assert summary(calibrator) == ("done", False, True)
    assert seconds - 1e-9 <= now <= max(seconds + 2 * interval, LEAST_READINGS * interval + 1e-9)


# --- again, skip, reset ---


def test_what_is_not_learnt_anew_stays_as_it_was():
    calibrator = new_calibrator(ADAPTIVE)
    now = read(calibrator, NEEDED)
    before = calibrator.learnt
    read(calibrator, NEEDED, start=now, heard=False, live=("face",), value=3.0)
    assert summary(calibrator) == ("done", True, True)
    assert calibrator.learnt.reference is before.reference
    assert calibrator.learnt.face.tolist() != before.face.tolist()


def test_a_failure_leaves_in_force_what_was():
    calibrator = new_calibrator(ADAPTIVE)
    now = read(calibrator, NEEDED)
    before = calibrator.learnt
    calibrator.start(now)
    calibrator.advance(now + 100, BOTH)
    assert summary(calibrator) == ("failed", True, True)
    assert calibrator.learnt is before


def test_while_collecting_anew_the_voice_model_is_given_no_reference():
    calibrator = new_calibrator(ADAPTIVE)
    assert calibrator.reference is NOBODY
    now = read(calibrator, NEEDED)
    learnt = calibrator.reference
    assert learnt.any()
    calibrator.start(now)
    assert calibrator.reference is NOBODY
    calibrator.skip()
    assert calibrator.reference is learnt


def test_a_second_calibration_on_the_same_readings_learns_the_same():
    calibrator = new_calibrator()
    now = read(calibrator, NEEDED)
    first = calibrator.learnt
    read(calibrator, NEEDED, start=now)
    assert calibrator.learnt is not first
    assert calibrator.learnt.voice.tolist() == first.voice.tolist()
    assert calibrator.learnt.face.tolist() == first.face.tolist()


def test_skip_ends_collecting_and_forgets_only_that():
    calibrator = new_calibrator()
    calibrator.skip()
    assert summary(calibrator) == ("none", False, False)
    read(calibrator, NEEDED - 1)
    calibrator.skip()
    assert summary(calibrator) == ("none", False, False)
    assert calibrator.status.heard == 0.0
    now = read(calibrator, NEEDED)
    calibrator.start(now)
    calibrator.skip()
    assert summary(calibrator) == ("done", True, True)


def test_reset_forgets_everything():
    calibrator = new_calibrator(ADAPTIVE)
    now = read(calibrator, NEEDED)
    calibrator.start(now)
    calibrator.reset()
    assert summary(calibrator) == ("none", False, False)
    assert calibrator.reference is NOBODY
    assert (calibrator.learnt.voice, calibrator.learnt.face) == (None, None)


class AnyCalibration(RuleBasedStateMachine):
    """Whatever happens in whatever order, the status is consistent and what is learnt is finite."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.calibrator = new_calibrator(ADAPTIVE, calibration_seconds=3)

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 10.0]), live=st.sets(st.sampled_from(BOTH)))
    def wait(self, seconds, live):
        self.now += seconds
        self.calibrator.advance(self.now, live)

    @rule(count=st.integers(1, 8), probs=PROBS, scale=st.floats(-1e6, 1e6, width=32))
    def hear(self, count, probs, scale):
        for _ in range(count):
            self.calibrator.hear(self.now, probs, STATISTICS * np.float32(scale))

    @rule(count=st.integers(1, 8), probs=PROBS)
    def see(self, count, probs):
        for _ in range(count):
            self.calibrator.see(self.now, probs)

    @rule(action=st.sampled_from(["start", "skip", "reset"]))
    def act(self, action):
        if action == "start":
            self.calibrator.start(self.now)
        else:
            getattr(self.calibrator, action)()

    @invariant()
    def is_consistent(self):
        status, learnt = self.calibrator.status, self.calibrator.learnt
        assert 0.0 <= status.progress <= 1.0
        assert 0.0 <= status.heard <= 1.0
        assert 0.0 <= status.seen <= 1.0
        assert (status.state == "done") <= (status.voice or status.face)
        assert (status.state == "none") <= (not status.voice and not status.face)
        assert self.calibrator.reference.shape == (REFERENCE,)
        assert np.isfinite(self.calibrator.reference).all()
        assert learnt.voice is None
        if learnt.face is not None:
            assert np.isfinite(learnt.face).all()
            assert (learnt.face > 0).all()


TestAnyCalibration = AnyCalibration.TestCase
