import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.guard.limits import Allowance, Bucket, Pace
from app.protocol import Audio, Configure, FarewellError, Frame, ProtocolError
from app.settings import BURST_SECONDS, Settings

SECOND = Audio(pcm16=np.zeros(16_000, "<i2").tobytes())
PICTURE = Frame(jpeg=b"\xff\xd8")
NO_LIMITS = {
    "max_message_bytes": 16_384,
    "max_messages_per_second": 0,
    "max_bytes_per_second": 0,
    "max_audio_rate": 0,
    "max_faults_per_minute": 0,
    "idle_timeout": 0,
    "session_length": 0,
}


def allowance(**changes):
    return Allowance(Settings(_env_file=None, **{**NO_LIMITS, **changes}), 0.0)


def taken(attempt, times, now):
    """How many of so many attempts at one moment went well."""
    count = 0
    for _ in range(times):
        try:
            attempt(now)
        except ProtocolError as fault:
            assert fault.code == "too_fast"
        else:
            count += 1
    return count


def code_of(call, *arguments):
    with pytest.raises(FarewellError) as caught:
        call(*arguments)
    return caught.value.code


@given(
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 50), st.floats(-10, 10)), max_size=50),
)
def test_no_more_flows_through_a_bucket_than_it_held_and_what_came_in(rate, burst, steps):
    now = longest = taken = 0.0
    bucket = Bucket(rate, burst, now)
    for amount, passed in steps:
        now += passed  # a clock may be set back, too
        longest += max(0.0, passed)
        if bucket.take(amount, now):
            taken += amount
        assert taken <= (burst + rate * longest) * (1 + 1e-9)


def test_a_bucket_that_rests_is_full_again():
    bucket = Bucket(rate=2, burst=10, now=0.0)
    assert bucket.take(10, 0.0)
    assert not bucket.take(1, 0.0)
    assert bucket.take(1, 0.5)
    assert bucket.take(10, 1000.0)
    assert not bucket.take(0.1, 1000.0)


def test_messages_are_taken_at_their_rate_and_in_a_burst():
    viewer = allowance(max_messages_per_second=10)
    assert taken(lambda now: viewer.receive(1, now), 1000, 0.0) == 10 * BURST_SECONDS
    assert taken(lambda now: viewer.receive(1, now), 1000, 1.0) == 10


def test_bytes_are_taken_at_their_rate():
    viewer = allowance(max_bytes_per_second=1000)
    assert taken(lambda now: viewer.receive(500, now), 1000, 0.0) == 2 * BURST_SECONDS
    assert taken(lambda now: viewer.receive(500, now), 1000, 3.0) == 6


def test_sound_is_taken_at_its_rate_and_pictures_are_not_sound():
    viewer = allowance(max_audio_rate=2)
    assert taken(lambda now: viewer.take(SECOND, now), 1000, 0.0) == 2 * BURST_SECONDS
    assert taken(lambda now: viewer.take(PICTURE, now), 1000, 0.0) == 1000
    assert taken(lambda now: viewer.take(SECOND, now), 1000, 10.0) == 20


@pytest.mark.parametrize(
    "limit", [{"max_messages_per_second": 1}, {"max_bytes_per_second": 1000}, {"max_audio_rate": 1}]
)
def test_a_message_taken_whole_counts_against_each_limit(limit):
    viewer = allowance(**limit)
    assert [viewer.take_whole(SECOND, 1000, 0.0) for _ in range(1000)].count(True) == BURST_SECONDS
    assert [viewer.take_whole(SECOND, 1000, 5.0) for _ in range(1000)].count(True) == 5


def test_a_message_that_one_limit_refuses_counts_against_none():
    viewer = allowance(max_messages_per_second=1, max_bytes_per_second=1000, max_audio_rate=1)
    loud = Audio(pcm16=bytes(2 * 16_000 * (BURST_SECONDS + 1)))
    assert not viewer.take_whole(loud, 1000, 0.0)
    assert taken(lambda now: viewer.receive(1000, now), 1000, 0.0) == BURST_SECONDS


def test_a_message_taken_whole_keeps_its_viewer_from_being_idle():
    viewer = allowance(idle_timeout=10)
    assert viewer.take_whole(PICTURE, 2, 9.0)
    viewer.stay(18.0)
    assert code_of(viewer.stay, 19.0) == "idle"


def test_faults_are_forgiven_with_time_and_too_many_are_abuse():
    viewer = allowance(max_faults_per_minute=60)
    for minute in range(10):
        for _ in range(30):
            viewer.fault(60.0 * minute)
    for _ in range(60):
        viewer.fault(660.0)
    assert code_of(viewer.fault, 660.0) == "abuse"


def test_who_sends_neither_sound_nor_picture_is_idle():
    viewer = allowance(idle_timeout=60)
    viewer.stay(59.0)
    viewer.take(PICTURE, 50.0)
    viewer.take(SECOND, 55.0)
    viewer.take(Configure(), 100.0)
    viewer.stay(114.0)
    assert code_of(viewer.stay, 115.0) == "idle"


def test_sound_that_is_refused_keeps_nobody_from_being_idle():
    viewer = allowance(idle_timeout=60, max_audio_rate=0.05)
    minute = Audio(pcm16=60 * SECOND.pcm16)
    assert taken(lambda now: viewer.take(minute, now), 1, 30.0) == 0
    assert code_of(viewer.stay, 60.0) == "idle"


def test_a_session_has_a_length():
    viewer = allowance(session_length=3600)
    viewer.stay(3599.0)
    assert code_of(viewer.stay, 3600.0) == "session_over"


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 2**24)), max_size=50))
def test_zero_sets_no_limit(steps):
    viewer = allowance()
    for now, size in sorted(steps):
        viewer.receive(size, now)
        viewer.take(SECOND, now)
        viewer.fault(now)
        viewer.stay(now)


def test_a_page_at_its_own_pace_and_after_a_stall_is_within_the_limits():
    viewer = Allowance(Settings(_env_file=None), 0.0)
    chunk = Audio(pcm16=bytes(3200))

    def second(now):
        for _ in range(10):
            viewer.receive(3205, now)
            viewer.take(chunk, now)
        for _ in range(4):
            viewer.receive(40_000, now)
            viewer.take(PICTURE, now)
        viewer.stay(now)

    for now in range(1, 600):
        second(float(now))
    for _ in range(35):  # all that pings, which end a dead connection after 40 s, let a network hold back
        second(635.0)


@given(st.floats(0.1, 5000), st.floats(1, 5000), st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 5)), max_size=50))
def test_who_waits_as_told_goes_no_faster_than_the_pace(rate, burst, steps):
    pace, now, gone = Pace(rate, burst), 0.0, 0.0
    for amount, passed in steps:
        now += passed
        wait = pace.wait(now)
        assert wait >= 0
        now += wait
        assert gone <= (burst + rate * now) * (1 + 1e-6)  # all that is waited for has its time by now
        pace.count(amount, now)
        gone += amount


def test_after_a_rest_a_burst_goes_without_waiting():
    pace = Pace(10.0, 50.0)
    pace.count(50, 100.0)
    assert pace.wait(100.0) == 0
    pace.count(10, 100.0)
    assert pace.wait(100.0) == pytest.approx(1.0)
    assert pace.wait(100.5) == pytest.approx(0.5)
    pace.count(50, 110.0)
    assert pace.wait(110.0) == 0
