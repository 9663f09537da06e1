import gc
import types
import weakref

import numpy as np
import pytest
from arithmetic_models import (
    BOX,
    FACE,
    NEUTRAL,
    NO_FACE,
    OTHER_FACE,
    face_crop,
    face_probs,
    fusion_probs,
    tone,
    voice_probs,
    voice_statistics,
)
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.protocol import Calibrate, Configure
from app.settings import Settings
from app.viewer.calibration import FACE_STRENGTH, VOICE_STRENGTH, neutral_offset
from app.viewer.session import Losses, Session
from models.calibration import reference
from models.haar import HaarFace
from models.inference import FaceReading, Trace, Traits
from models.labels import LABELS

SECOND = 16_000
LOUD, QUIET = tone(SECOND), tone(SECOND, 3)


ADAPTIVE, KNOWN, SURER, PLAIN = Traits(adaptive=True), Traits(neutral=NEUTRAL), Traits(sharpening=0.5), Traits()


def new_session(now=0.0, voice=PLAIN, face=PLAIN, fusion=PLAIN, **changes) -> Session:
    return Session(Settings(_env_file=None, **changes), now, voice, face, fusion)


def hear(session, now):
    window = session.take_window(now)
    answer(session, window, now)
    return window


def answer(session, window, now):
    """As an adaptive model does: a reference changes the answer, statistics know nothing of it."""
    session.heard(window, voice_probs(window.samples, window.reference), now, voice_statistics(window.samples))


def see(session, now):
    picture = session.take_frame(now)
    reading = FaceReading() if picture.jpeg == NO_FACE else FaceReading(BOX, face_probs(picture.jpeg))
    session.saw(picture, reading, now)


def states(result):
    return result.voice.state, result.face.state, result.fused.state


def held(thing, seen):
    """Yield what a session refers to, directly or not, that is a sound, a picture or a crop of one."""
    for part in gc.get_referents(thing):
        if id(part) in seen or isinstance(part, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(part))
        if isinstance(part, np.ndarray):
            if part.dtype != np.float32 and part.any():
                yield part
        elif isinstance(part, bytes):
            yield part
        else:
            yield from held(part, seen)


def holds(session):
    """Whether a session holds anything that was seen or heard; settings and answers are not."""
    return any(True for _ in held(session, {id(session._settings)}))


def named(probs):
    return pytest.approx(dict(zip(LABELS, probs.tolist(), strict=True)), abs=1e-4)


def test_the_next_picture_comes_with_the_trace_of_the_last_face():
    session, trace = new_session(), Trace(HaarFace(BOX, 1), np.zeros((28, 28), np.uint8), (48, 64))
    session.receive_frame(FACE, 1, 0.1)
    first = session.take_frame(0.5)
    assert first.trace is None
    session.saw(first, FaceReading(BOX, face_probs(FACE), trace=trace), 0.5)
    session.receive_frame(FACE, 2, 0.6)
    second = session.take_frame(1.0)
    assert second.trace is trace and (second.jpeg, second.id, second.at) == (FACE, 2, 0.6)
    session.saw(second, FaceReading(), 1.0)
    session.receive_frame(FACE, 3, 1.1)
    assert session.take_frame(1.5).trace is None


def test_how_a_face_looked_is_forgotten_when_its_frame_grows_stale():
    session, pattern = new_session(), np.zeros((28, 28), np.uint8)
    look, trace = weakref.ref(pattern), Trace(HaarFace(BOX, 1), pattern, (48, 64))
    session.receive_frame(FACE, 1, 0.1)
    session.saw(session.take_frame(0.5), FaceReading(BOX, face_probs(FACE), trace=trace), 0.5)
    del pattern, trace
    session.result(2.0)
    assert look() is not None
    assert states(session.result(2.5))[1] == "stale"
    assert look() is None
    session.receive_frame(FACE, 2, 60.0)
    assert session.take_frame(60.5).trace is None


def test_a_viewer_who_sends_nothing_is_absent():
    result = new_session().result(0.5)
    assert states(result) == ("absent", "absent", "none")
    assert (result.voice.label, result.fused.label, result.fused.probs, result.top5) == (None, None, {}, ())
    assert (result.level, result.used.audio, result.used.frame) == (0.0, None, None)


def test_the_window_warms_up_until_it_is_full():
    session = new_session()
    session.receive_audio(LOUD[:15_999], 1, 0.9)
    assert session.take_window(1.0) is None
    assert states(session.result(1.0)) == ("warming", "absent", "none")
    session.receive_audio(LOUD[15_999:], 2, 1.0)
    window = hear(session, 1.0)
    assert window.samples.tolist() == LOUD.tolist()
    result = session.result(1.0)
    assert states(result) == ("ok", "absent", "voice_only")
    assert result.voice.probs == result.fused.probs == named(voice_probs(LOUD))
    assert result.used.audio == 2


def test_a_voice_that_has_no_answer_yet_is_warming():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    session.take_window(1.0)
    assert session.result(1.0).voice.state == "warming"


def test_the_same_sound_is_asked_about_once():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    assert session.take_window(1.0) is not None
    assert session.take_window(1.5) is None
    session.receive_audio(LOUD[:1], 2, 1.6)
    assert session.take_window(2.0) is not None


def test_silence_is_not_asked_about_and_shows_the_history_until_it_has_aged_out():
    session = new_session(voice_smoothing=2)
    session.receive_audio(LOUD, 1, 1.0)
    hear(session, 1.0)
    for now in (1.5, 3.0):
        session.receive_audio(QUIET, 2, now)
        assert session.take_window(now) is None
        result = session.result(now)
        assert result.voice.state == "silence"
        assert result.voice.probs == named(voice_probs(LOUD))
        assert result.used.audio == 1  # the quiet chunk was not used
    session.receive_audio(QUIET, 3, 3.1)
    result = session.result(3.1)
    assert states(result) == ("silence", "absent", "none")
    assert (result.voice.label, result.used.audio) == (None, None)


def test_a_microphone_that_stops_does_not_speak_on():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    hear(session, 1.0)
    assert session.take_window(1.5) is None
    assert session.result(3.0).voice.state == "ok"
    result = session.result(3.1)
    assert states(result) == ("absent", "absent", "none")
    assert result.used.audio is None


@pytest.mark.parametrize("asked_at", [1.0, 1.4, 2.9])
@pytest.mark.parametrize("answered_after", [0.0, 1.9])
def test_the_sound_of_a_microphone_that_stops_is_forgotten(asked_at, answered_after):
    session = new_session()
    session.receive_audio(LOUD.copy(), 1, 1.0)
    window = session.take_window(asked_at)
    answered_at = asked_at + answered_after
    session.heard(window, voice_probs(LOUD), answered_at)
    del window
    assert holds(session)
    session.result(max(3.1, answered_at + 0.1))
    assert not holds(session)


@pytest.mark.parametrize("looks", [False, True])
def test_the_pictures_of_a_camera_that_stops_are_forgotten(looks):
    session = new_session()
    session.receive_frame(bytes([1, 2, 3]) * 9, 1, 1.0)
    if looks:
        picture, crop = session.take_frame(1.4), np.full((48, 48, 1), 7, np.uint8)
        trace = Trace(HaarFace(BOX, 1), crop[..., 0].copy(), (48, 64))
        session.saw(picture, FaceReading(BOX, face_probs(FACE), crop=crop, trace=trace), 2.0)
        del picture, crop, trace
    session.result(3.0)
    assert holds(session)
    assert session.result(3.1).dropped.frames == (not looks)
    assert not holds(session)


def test_a_window_never_joins_the_sound_before_and_after_a_gap():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    hear(session, 1.0)
    session.receive_audio(LOUD[:8000], 2, 9.0)
    assert session.take_window(9.0) is None
    assert session.result(9.0).voice.state == "warming"
    session.receive_audio(LOUD[8000:], 3, 9.5)
    assert hear(session, 9.5).id == 3
    assert session.result(9.5).voice.state == "ok"


def test_an_answer_that_comes_too_late_is_void():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    window = session.take_window(1.0)
    session.receive_audio(LOUD, 2, 2.9)
    session.heard(window, voice_probs(LOUD), 3.1)
    assert session.result(3.1).voice.state == "warming"


def test_a_reading_that_comes_too_late_is_void():
    session = new_session()
    session.receive_frame(OTHER_FACE, 1, 0.0)
    picture = session.take_frame(0.5)
    session.receive_frame(FACE, 2, 2.0)
    session.saw(picture, FaceReading(BOX, face_probs(OTHER_FACE)), 2.1)
    assert session.result(2.1).face.state == "stale"
    see(session, 2.2)
    assert session.result(2.2).face.probs == named(face_probs(FACE))


def test_a_reading_is_as_old_as_what_it_is_about():
    session = new_session(voice_smoothing=4, face_smoothing=4)
    session.receive_frame(OTHER_FACE, 1, 1.0)
    picture = session.take_frame(1.0)
    session.saw(picture, FaceReading(BOX, face_probs(OTHER_FACE)), 2.5)
    session.receive_audio(LOUD, 1, 1.0)
    window = session.take_window(1.0)
    session.heard(window, voice_probs(LOUD), 2.5)
    other = tone(SECOND, 2000)
    session.receive_frame(FACE, 2, 3.1)
    see(session, 3.1)
    session.receive_audio(other, 2, 3.0)
    hear(session, 3.1)
    result = session.result(3.1)  # 2.1 s after the first, and four intervals are 2 s
    assert result.face.probs == named(face_probs(FACE))
    assert result.voice.probs == named(voice_probs(other))


def test_with_a_smoothing_of_one_and_chunks_of_a_second_a_voice_stays():
    session = new_session(voice_smoothing=1)
    for tick in range(2, 21):
        now = tick / 2
        if tick % 2 == 0:
            session.receive_audio(LOUD, tick, now - 0.1)
        window = session.take_window(now)
        if window is not None:
            session.heard(window, voice_probs(window.samples), now + 0.05)
        assert session.result(now + 0.1).voice.state == "ok"


def test_a_face_is_shown_with_its_box():
    session = new_session()
    session.receive_frame(FACE, 7, 0.1)
    see(session, 0.5)
    result = session.result(0.5)
    assert states(result) == ("absent", "ok", "face_only")
    assert result.face.probs == result.fused.probs == named(face_probs(FACE))
    assert result.face.box == (0.1, 0.2, 0.3, 0.4)
    assert result.used.frame == 7


def test_no_face_is_a_state_of_its_own():
    session = new_session()
    session.receive_frame(FACE, 1, 0.1)
    see(session, 0.5)
    session.receive_frame(NO_FACE, 2, 0.6)
    see(session, 1.0)
    result = session.result(1.0)
    assert states(result) == ("absent", "no_face", "none")
    assert (result.face.label, result.face.probs, result.face.box, result.used.frame) == (None, {}, None, 2)


def test_a_frame_that_is_not_followed_by_another_grows_stale():
    session = new_session()
    session.receive_frame(FACE, 1, 0.0)
    see(session, 0.0)
    assert session.result(2.0).face.state == "ok"
    result = session.result(2.1)
    assert states(result) == ("absent", "stale", "none")
    assert (result.face.label, result.face.box, result.used.frame) == (None, None, None)


def test_the_newest_frame_is_used_and_those_before_it_are_dropped():
    session = new_session()
    for number in (1, 2, 3):
        session.receive_frame(FACE if number < 3 else OTHER_FACE, number, 0.1 * number)
    picture = session.take_frame(0.5)
    assert (picture.jpeg, picture.id) == (OTHER_FACE, 3)
    assert session.take_frame(0.5) is None
    assert session.result(0.5).dropped.frames == 2
    assert session.losses == Losses(frames_replaced=2)


def test_a_frame_that_waited_too_long_is_dropped():
    session = new_session()
    session.receive_frame(FACE, 1, 0.0)
    assert session.take_frame(2.1) is None
    assert session.result(2.1).dropped.frames == 1
    assert session.losses == Losses(frames_stale=1)


def test_sound_that_no_window_covered_is_dropped_and_counted_in_chunks():
    session = new_session()
    for number in range(6):  # a second and a half before the first window
        session.receive_audio(LOUD[:4000], number, number / 4)
    session.take_window(1.5)
    assert session.result(1.5).dropped.audio == 0
    for number in range(8):  # two seconds, and nobody asks
        session.receive_audio(LOUD[:4000], number, 1.5 + number / 4)
    assert session.result(3.5).dropped.audio == 4
    session.take_window(3.5)
    for number in range(4):  # covered sound may leave
        session.receive_audio(LOUD[:4000], number, 3.5 + number / 4)
    assert session.result(4.5).dropped.audio == 4
    assert session.losses == Losses(audio_unheard=4)


def test_results_that_nobody_got_are_counted_by_why():
    session = new_session()
    session.miss_results(2)
    session.miss_results(1, "unread")
    assert session.result(0.5).dropped.results == 3
    assert session.losses == Losses(results_late=2, results_unread=1)


def test_readings_are_averaged():
    session = new_session()
    for number, jpeg in enumerate((FACE, OTHER_FACE)):
        session.receive_frame(jpeg, number, number / 2)
        see(session, number / 2)
    assert session.result(0.5).face.probs == named((face_probs(FACE) + face_probs(OTHER_FACE)) / 2)


def test_both_paths_are_fused_by_the_viewers_own_weight():
    session, other = new_session(), new_session()
    for viewer in (session, other):
        viewer.receive_audio(LOUD, 1, 1.0)
        hear(viewer, 1.0)
        viewer.receive_frame(FACE, 1, 1.0)
        see(viewer, 1.0)
    session.configure(Configure(fusion_weight=0.25))
    result = session.result(1.0)
    assert result.fused.state == "ok"
    assert result.fused.probs == named(0.25 * voice_probs(LOUD) + 0.75 * face_probs(FACE))
    assert [row.prob for row in result.top5] == sorted(result.fused.probs.values(), reverse=True)[:5]
    assert result.top5[0].label == result.fused.label.capitalize()
    assert other.result(1.0).fused.probs == named(0.6 * voice_probs(LOUD) + 0.4 * face_probs(FACE))


def test_configure_changes_what_it_names():
    session = new_session()
    before = session.settings
    session.configure(Configure(voice_smoothing=9))
    assert session.settings == before.model_copy(update={"voice_smoothing": 9})
    session.configure(Configure(face_smoothing=1, fusion_weight=0.0))
    assert session.settings.face_smoothing == 1
    assert session.settings.fusion_weight == 0.0
    assert session.settings.voice_smoothing == 9


def test_with_a_smoothing_of_one_a_face_is_shown_until_it_is_stale():
    session = new_session(face_smoothing=1)
    session.receive_frame(FACE, 1, 0.0)
    see(session, 0.0)
    assert session.result(1.5).face.probs == named(face_probs(FACE))


def test_the_level_is_that_of_the_sound_since_the_last_result():
    session = new_session()
    session.receive_audio(LOUD, 1, 1.0)
    assert session.result(1.0).level == pytest.approx(8000 / 32768 / 2**0.5, rel=0.01)
    session.receive_audio(QUIET[:4000], 2, 1.4)
    assert session.result(1.5).level < 0.001
    session.receive_audio(LOUD[:4000], 3, 1.6)
    assert session.result(1.7).level > 0.1
    assert session.result(2.0).level == 0.0


def live(session, start, seconds, *, sound=LOUD, jpeg=FACE):
    """Speak and look so long, two readings a second; return the last result and the time."""
    now, result = start, None
    for tick in range(1, round(2 * seconds) + 1):
        now = start + tick / 2
        if sound is not None:
            session.receive_audio(sound[:8000], None, now)
            if (window := session.take_window(now)) is not None:
                answer(session, window, now)
        if jpeg is not None:
            session.receive_frame(jpeg, None, now)
            see(session, now)
        result = session.result(now)
    return result, now


def calibrate(session, action, now=0.0):
    session.calibrate(Calibrate(action=action), now)


def corrected(probs, strength):
    """What an answer is once the viewer was neutral in just this way."""
    product = probs * np.exp(-strength * neutral_offset([probs], NEUTRAL))
    return product / product.sum()


def test_windows_say_nobody_is_known_until_a_voice_was_learnt():
    session = new_session(voice=ADAPTIVE)
    assert session.can_calibrate
    live(session, 0.0, 2)
    session.receive_audio(LOUD, None, 2.4)
    window = session.take_window(2.5)
    assert window.reference.tolist() == [0.0] * 80
    calibrate(session, "start", 2.5)
    live(session, 2.5, 13)
    status = session.calibration
    assert (status.state, status.voice, status.face) == ("done", True, False)
    session.receive_audio(LOUD[:8000], None, 15.4)
    window = session.take_window(15.5)
    learnt = VOICE_STRENGTH * reference([voice_statistics(window.samples)] * 16)
    assert window.reference == pytest.approx(learnt, abs=0.02)


def test_results_go_on_while_collecting_and_nothing_old_is_joined_to_the_new():
    session = new_session(voice=ADAPTIVE, face=KNOWN)
    live(session, 0.0, 3)
    calibrate(session, "start", 3.0)
    before, now = live(session, 3.0, 4)
    assert session.calibration.state == "collecting"
    assert states(before) == ("ok", "ok", "ok")
    assert before.voice.probs == named(voice_probs(LOUD[:8000]))
    while session.calibration.state == "collecting":
        result, now = live(session, now, 0.5)
    # The answers before were given without the reference; the next is given with it.
    assert states(result) == ("warming", "ok", "face_only")
    assert result.face.probs == named(corrected(face_probs(FACE), FACE_STRENGTH))
    assert (session.calibration.state, session.calibration.progress) == ("done", 1.0)
    after, now = live(session, now, 0.5)
    assert after.voice.state == "ok"
    assert after.voice.probs != before.voice.probs
    later, _ = live(session, now, 5)
    assert later.voice.probs == after.voice.probs


def test_an_answer_that_was_asked_with_another_reference_is_void():
    session = new_session(voice=ADAPTIVE)
    calibrate(session, "start")
    _, now = live(session, 0.0, 8)
    session.receive_audio(LOUD[:8000], None, now + 0.5)
    window = session.take_window(now + 0.5)
    session.receive_audio(LOUD[:8000], None, now + 0.9)
    answer(session, window, now + 0.9)  # the sixteenth of them
    assert session.result(now + 1).voice.state == "warming"
    assert session.calibration.state == "done"
    session.receive_audio(LOUD[:8000], None, now + 1.4)
    window = session.take_window(now + 1.5)
    calibrate(session, "reset")
    answer(session, window, now + 1.6)
    assert session.result(now + 1.6).voice.state == "warming"
    assert not session.calibration.voice


def test_a_neutral_voice_and_face_are_taken_for_what_they_are_once_they_are_known():
    session = new_session(voice=KNOWN, face=KNOWN)
    calibrate(session, "start")
    result, _ = live(session, 0.0, 9)
    assert (session.calibration.voice, session.calibration.face) == (True, True)
    assert result.voice.probs == named(corrected(voice_probs(LOUD[:8000]), VOICE_STRENGTH))
    assert result.face.probs == named(corrected(face_probs(FACE), FACE_STRENGTH))
    for plain, shown in ((voice_probs(LOUD[:8000]), result.voice.probs), (face_probs(FACE), result.face.probs)):
        now_like_all = np.abs(np.array([shown[label] for label in LABELS]) - NEUTRAL).sum()
        assert now_like_all < np.abs(plain - NEUTRAL).sum()


def test_collecting_again_is_not_fooled_by_what_is_in_force():
    session = new_session(voice=KNOWN, face=KNOWN)
    calibrate(session, "start")
    first, now = live(session, 0.0, 9)
    calibrate(session, "start", now)
    second, _ = live(session, now, 9)
    assert (second.voice.probs, second.face.probs) == (first.voice.probs, first.face.probs)


def test_skip_and_reset():
    session = new_session(voice=ADAPTIVE, face=KNOWN)
    calibrate(session, "start")
    _, now = live(session, 0.0, 12)
    known, now = live(session, now, 2)
    calibrate(session, "start", now)
    during, now = live(session, now, 3)
    assert during.voice.probs == named(voice_probs(LOUD[:8000]))  # no reference while collecting
    assert during.face.probs == known.face.probs
    calibrate(session, "skip")
    after, now = live(session, now, 1)
    assert (after.voice.probs, after.face.probs) == (known.voice.probs, known.face.probs)
    calibrate(session, "reset")
    plain, _ = live(session, now, 1)
    assert plain.voice.probs == named(voice_probs(LOUD[:8000]))
    assert plain.face.probs == named(face_probs(FACE))
    assert session.calibration.state == "none"


def test_silence_teaches_nothing_and_is_waited_out():
    session = new_session(voice=ADAPTIVE)
    calibrate(session, "start")
    _, now = live(session, 0.0, 23.5, sound=QUIET, jpeg=NO_FACE)
    assert session.calibration.state == "collecting"
    live(session, now, 0.5, sound=QUIET, jpeg=NO_FACE)
    status = session.calibration
    assert (status.state, status.voice, status.heard, status.seen) == ("failed", False, 0.0, None)


def test_a_camera_alone_is_enough():
    session = new_session(voice=ADAPTIVE, face=KNOWN)
    calibrate(session, "start")
    live(session, 0.0, 8, sound=None)
    status = session.calibration
    assert (status.state, status.voice, status.face) == ("done", False, True)


def test_models_that_know_nothing_of_neutral_people_cannot_be_calibrated():
    assert not new_session().can_calibrate


def test_several_answers_are_as_much_surer_as_the_models_say():
    session = new_session(voice=Traits(sharpening=0.5), face=Traits(sharpening=1.0), voice_smoothing=4)
    result, _ = live(session, 0.0, 3, sound=LOUD, jpeg=FACE)
    voice, face = voice_probs(LOUD[:8000]) ** 2, face_probs(FACE).astype(np.float64) ** 6
    assert result.voice.probs == named(voice / voice.sum())
    assert result.face.probs == named(face / face.sum())


class AnyViewer(RuleBasedStateMachine):
    """Whatever a viewer and the models do, in whatever order, a result is consistent."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.session = new_session(voice=ADAPTIVE, face=KNOWN, fusion=SURER, calibration_seconds=3)
        self.window = self.picture = self.pair = None
        self.asked = []
        self.received = self.taken = 0
        self.dropped = (0, 0, 0)

    @rule(seconds=st.sampled_from([0.01, 0.25, 0.5, 1.0, 3.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(sound=st.sampled_from([LOUD, LOUD[:4000], QUIET, QUIET[:4000], LOUD[:1]]), number=st.integers(0, 9))
    def send_sound(self, sound, number):
        self.session.receive_audio(sound, number, self.now)

    @rule(jpeg=st.sampled_from([FACE, OTHER_FACE, NO_FACE]))
    def send_frame(self, jpeg):
        self.session.receive_frame(jpeg, None, self.now)
        self.received += 1

    @rule(weight=st.floats(0, 1), count=st.integers(1, 50))
    def configure(self, weight, count):
        self.session.configure(Configure(fusion_weight=weight, voice_smoothing=count, face_smoothing=count))

    @rule(action=st.sampled_from(["start", "start", "skip", "reset"]))
    def calibrate(self, action):
        calibrate(self.session, action, self.now)

    @rule(seconds=st.integers(1, 4), sound=st.sampled_from([LOUD, QUIET, None]), jpeg=st.sampled_from([FACE, NO_FACE]))
    def live(self, seconds, sound, jpeg):
        self.window = self.picture = None
        _, self.now = live(self.session, self.now, seconds, sound=sound, jpeg=jpeg)
        self.received += 2 * seconds
        self.taken += 2 * seconds

    @precondition(lambda self: self.window is None)
    @rule()
    def ask_voice(self):
        self.window = self.session.take_window(self.now)

    @precondition(lambda self: self.window is not None)
    @rule(answers=st.booleans())
    def answer_voice(self, answers):
        if answers:
            answer(self.session, self.window, self.now)
        self.window = None

    @precondition(lambda self: self.picture is None)
    @rule()
    def ask_face(self):
        self.picture = self.session.take_frame(self.now)
        self.taken += self.picture is not None

    @precondition(lambda self: self.picture is not None)
    @rule(answers=st.booleans())
    def answer_face(self, answers):
        if answers:
            nobody = self.picture.jpeg == NO_FACE
            jpeg = self.picture.jpeg
            reading = FaceReading() if nobody else FaceReading(BOX, face_probs(jpeg), face_crop(jpeg))
            self.session.saw(self.picture, reading, self.now)
        self.picture = None

    @precondition(lambda self: self.pair is None)
    @rule()
    def ask_both(self):
        self.pair = self.session.take_pair(self.now)
        if self.pair is not None:
            assert self.now - 2.0 <= self.pair.at <= self.now
            assert not any(pair.window is self.pair.window and pair.crop is self.pair.crop for pair in self.asked)
            self.asked.append(self.pair)

    @precondition(lambda self: self.pair is not None)
    @rule(answers=st.booleans())
    def answer_both(self, answers):
        if answers:
            self.session.fused(self.pair, fusion_probs(self.pair.window, self.pair.crop), self.now)
        self.pair = None

    @invariant()
    def result_is_consistent(self):
        result = self.session.result(self.now)
        voice, face, fused = result.voice, result.face, result.fused
        for part in (voice, face, fused):
            assert (part.label is None) == (part.probs == {})
            if part.probs:
                assert sum(part.probs.values()) == pytest.approx(1.0, abs=1e-3)
                assert part.probs[part.label] == max(part.probs.values())
        assert bool(voice.probs) <= (voice.state in ("ok", "silence"))
        assert (voice.state == "ok") <= bool(voice.probs)
        assert bool(face.probs) == (face.state == "ok") == (face.box is not None)
        assert (
            fused.state
            == {
                (True, True): "ok",
                (True, False): "voice_only",
                (False, True): "face_only",
                (False, False): "none",
            }[bool(voice.probs), bool(face.probs)]
        )
        assert len(result.top5) == (5 if fused.probs else 0)
        assert 0 <= result.level <= 1
        dropped = (result.dropped.frames, result.dropped.audio, result.dropped.results)
        assert all(new >= old for new, old in zip(dropped, self.dropped, strict=True))
        assert self.received - self.taken - result.dropped.frames in (0, 1)  # at most one frame waits
        self.dropped = dropped


TestAnyViewer = AnyViewer.TestCase
TestAnyViewer.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
