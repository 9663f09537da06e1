"""A fusion model in one viewer's session: what it is asked, and when its answers are shown."""

import gc
import weakref

import numpy as np
import pytest
from arithmetic_models import (
    BOX,
    FACE,
    NO_FACE,
    OTHER_FACE,
    face_crop,
    face_probs,
    fusion_probs,
    probabilities,
    tone,
    voice_probs,
)

from app.protocol import Calibrate, Configure
from app.settings import Settings
from app.viewer.fusion import late_fusion
from app.viewer.session import Session
from models.inference import FaceReading, Traits
from models.labels import LABELS

LOUD, SOFT, QUIET = tone(16_000), tone(16_000, 2000), tone(16_000, 3)
PLAIN = Traits()
LATE = late_fusion(voice_probs(LOUD), face_probs(FACE), 0.6)
TOGETHER = fusion_probs(LOUD, face_crop(FACE))


def new_session(voice=PLAIN, face=PLAIN, fusion=PLAIN, **changes) -> Session:
    return Session(Settings(_env_file=None, **changes), 0.0, voice, face, fusion)


def hear(session, now, sound=LOUD):
    session.receive_audio(sound, None, now)
    window = session.take_window(now)
    if window is not None:
        session.heard(window, voice_probs(window.samples), now)


def see(session, now, jpeg=FACE):
    session.receive_frame(jpeg, None, now)
    picture = session.take_frame(now)
    reading = FaceReading() if jpeg == NO_FACE else FaceReading(BOX, face_probs(jpeg), face_crop(jpeg))
    session.saw(picture, reading, now)


def fuse(session, now):
    pair = session.take_pair(now)
    session.fused(pair, fusion_probs(pair.window, pair.crop), now)


def both(session, now, sound=LOUD, jpeg=FACE):
    hear(session, now, sound)
    see(session, now, jpeg)
    fuse(session, now)


def named(probs):
    return pytest.approx(dict(zip(LABELS, probs.tolist(), strict=True)), abs=1e-4)


def test_where_both_are_shown_the_fusion_models_answer_is_shown_as_fused():
    session = new_session()
    both(session, 1.0)
    result = session.result(1.0)
    assert (result.voice.state, result.face.state, result.fused.state) == ("ok", "ok", "ok")
    assert result.fused.probs == named(TOGETHER) != named(LATE)
    assert result.fused.by == "model"
    assert result.top5[0].label == result.fused.label.capitalize() == LABELS[TOGETHER.argmax()].capitalize()
    assert (result.voice.probs, result.face.probs) == (named(voice_probs(LOUD)), named(face_probs(FACE)))


def test_late_fusion_fills_in_until_the_first_answer_and_when_answers_have_aged_out():
    session = new_session(voice_smoothing=1)
    hear(session, 1.0)
    see(session, 1.0)
    late = session.result(1.0).fused
    assert (late.probs, late.by) == (named(LATE), "late")
    fuse(session, 1.0)
    for now in (1.5, 2.0, 2.5, 3.0, 3.5):
        hear(session, now)
        see(session, now)
        fused = session.result(now).fused
        assert (fused.probs, fused.by) == ((named(TOGETHER), "model") if now <= 3.0 else (named(LATE), "late"))


def test_one_path_alone_is_shown_as_it_is_whatever_both_said_before():
    session = new_session()
    both(session, 1.0)
    hear(session, 1.5)
    see(session, 1.5, NO_FACE)
    assert session.take_pair(1.5) is None
    alone = session.result(1.5)
    assert (alone.fused.state, alone.fused.probs) == ("voice_only", named(voice_probs(LOUD)))
    assert alone.fused.by is None
    see(session, 5.0)
    assert session.take_pair(5.0) is None
    alone = session.result(5.0)
    assert (alone.fused.state, alone.fused.probs) == ("face_only", named(face_probs(FACE)))
    assert alone.fused.by is None


def test_a_pair_is_asked_about_once_and_again_when_one_of_the_two_is_new():
    session = new_session()
    hear(session, 1.0)
    assert session.take_pair(1.0) is None
    see(session, 1.0)
    pair = session.take_pair(1.0)
    assert (pair.window.tolist(), pair.crop.tolist()) == (LOUD.tolist(), face_crop(FACE).tolist())
    assert session.take_pair(1.5) is None
    see(session, 1.5, OTHER_FACE)
    pair = session.take_pair(1.5)
    assert (pair.window.tolist(), pair.crop.tolist()) == (LOUD.tolist(), face_crop(OTHER_FACE).tolist())
    hear(session, 2.0, SOFT)
    pair = session.take_pair(2.0)
    assert (pair.window.tolist(), pair.crop.tolist()) == (SOFT.tolist(), face_crop(OTHER_FACE).tolist())
    assert session.take_pair(2.0) is None


def test_silence_is_no_window_and_what_was_heard_last_counts_until_it_is_stale():
    session = new_session()
    both(session, 1.0)
    for now in (1.5, 3.0, 3.5):
        hear(session, now, QUIET)
        see(session, now, OTHER_FACE)
        pair = session.take_pair(now)
        if now <= 3.0:
            assert pair.window.tolist() == LOUD.tolist()
            assert pair.at == 1.0  # as old as the older of the two
        else:
            assert pair is None


def test_a_face_that_is_stale_is_not_asked_about():
    session = new_session()
    see(session, 0.0)
    hear(session, 2.1)
    assert session.take_pair(2.1) is None


def test_an_answer_that_comes_too_late_is_void():
    session = new_session()
    hear(session, 1.0)
    see(session, 1.0)
    pair = session.take_pair(1.0)
    hear(session, 3.1)
    see(session, 3.1)
    session.fused(pair, TOGETHER, 3.1)
    assert session.result(3.1).fused.probs == named(LATE)


def test_answers_are_averaged_over_as_many_pairs_as_voice_windows_and_as_much_surer():
    session = new_session(fusion=Traits(sharpening=0.5), voice_smoothing=4, face_smoothing=1)
    for tick in range(8):
        both(session, 1 + tick / 2, jpeg=OTHER_FACE if tick < 4 else FACE)
    sharper = TOGETHER.astype(np.float64) ** 2
    assert session.result(4.5).fused.probs == named(sharper / sharper.sum())
    session.configure(Configure(voice_smoothing=1))
    assert session.result(4.5).fused.probs == named(TOGETHER)


@pytest.mark.parametrize("voice_began_anew", [False, True])
def test_answers_about_an_old_voice_are_not_joined_to_a_new_one(voice_began_anew):
    session = new_session(voice_smoothing=50, face_smoothing=50)
    both(session, 1.0, SOFT, OTHER_FACE)
    if voice_began_anew:
        assert session.result(4.0).voice.state == "absent"
    both(session, 4.5)
    old = fusion_probs(SOFT, face_crop(OTHER_FACE))
    assert session.result(4.5).fused.probs == named(TOGETHER if voice_began_anew else (old + TOGETHER) / 2)


def test_a_reset_of_the_calibration_ends_the_history():
    session = new_session()
    both(session, 1.0)
    session.calibrate(Calibrate(action="reset"), 1.1)
    assert session.result(1.2).fused.probs == named(LATE)
    both(session, 1.5)
    assert session.result(1.5).fused.probs == named(TOGETHER)


def test_nothing_of_a_face_is_kept_once_it_is_stale():
    session = new_session()
    crop, jpeg = face_crop(FACE), np.frombuffer(FACE, np.uint8)  # arrays, because bytes take no weak references
    kept = [weakref.ref(crop), weakref.ref(jpeg)]
    hear(session, 1.0)
    session.receive_frame(jpeg, None, 1.0)
    session.saw(session.take_frame(1.0), FaceReading(BOX, face_probs(FACE), crop), 1.0)
    fuse(session, 1.0)
    del crop, jpeg
    gc.collect()
    assert kept[0]() is not None, "it is asked about with the next window"
    assert kept[1]() is None, "the frame itself is not needed any more"
    session.result(3.1)
    gc.collect()
    assert kept[0]() is None


@pytest.mark.parametrize(
    ("sound", "jpeg", "expected"),
    [
        (LOUD, NO_FACE, {"angry", "sad"}),
        (QUIET, FACE, {"happy", "sad"}),
        (LOUD, FACE, {"angry", "happy", "sad"}),
    ],
)
def test_top5_has_no_label_that_no_model_present_can_say(sound, jpeg, expected):
    session = new_session(Traits(labels=("angry", "sad")), Traits(labels=("happy", "sad")))
    hears, sees = (np.isin(LABELS, names) for names in (("angry", "sad"), ("happy", "sad")))
    session.receive_audio(sound, None, 1.0)
    if window := session.take_window(1.0):
        session.heard(window, (hears / 2).astype(np.float32), 1.0)
    session.receive_frame(jpeg, None, 1.0)
    reading = FaceReading() if jpeg == NO_FACE else FaceReading(BOX, (sees / 2).astype(np.float32))
    session.saw(session.take_frame(1.0), reading, 1.0)
    top5 = session.result(1.0).top5
    assert {row.label.lower() for row in top5} == expected
    assert sum(row.prob for row in top5) == pytest.approx(1.0, abs=1e-3)


def test_top5_of_a_fusion_model_has_its_own_labels():
    four = ("angry", "happy", "neutral", "sad")
    session = new_session(fusion=Traits(labels=four))
    hear(session, 1.0)
    see(session, 1.0)
    assert len(session.result(1.0).top5) == 5
    kept = np.where(np.isin(LABELS, four), probabilities(1.0), 0)
    session.fused(session.take_pair(1.0), (kept / kept.sum()).astype(np.float32), 1.0)
    assert {row.label.lower() for row in session.result(1.0).top5} == set(four)
