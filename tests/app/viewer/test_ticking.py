import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.ticking import SLOTS, Schedule, slot


def test_does_not_drift():
    schedule, now = Schedule(0.5, 10.0), 10.0
    for n in range(1, 1001):
        due, missed = schedule.next(now)
        assert due == pytest.approx(10.0 + n * 0.5)
        assert missed == 0
        now = due + 0.01  # every tick takes a little


def test_who_comes_late_runs_at_once_and_counts_what_was_missed():
    schedule = Schedule(0.5, 0.0)
    schedule.next(0.0)
    assert schedule.next(2.2) == (2.0, 2)  # 1.0 and 1.5 are lost
    assert schedule.next(2.2) == (2.5, 0)


@given(st.lists(st.floats(0, 5), max_size=50))
def test_every_due_time_is_either_given_once_or_missed(pauses):
    schedule, now, given_out, missed_in_all = Schedule(0.5, 0.0), 0.0, [], 0
    for pause in pauses:
        now += pause
        due, missed = schedule.next(now)
        given_out.append(due)
        missed_in_all += missed
        assert due > now - 0.5 - 1e-9
    assert given_out == sorted(set(given_out))
    if given_out:
        assert len(given_out) + missed_in_all == round(given_out[-1] / 0.5)


@given(st.floats(0, 1e6), st.sampled_from([0.1, 0.5, 1.7, 5.0]))
def test_whoever_comes_begins_at_once_or_at_the_next_of_the_moments_that_all_share(now, interval):
    begin, step = slot(now, interval), interval / SLOTS
    assert now - 1e-5 <= begin < now + step + 1e-5
    assert begin / step == pytest.approx(round(begin / step), abs=1e-6)


def test_who_come_within_a_slot_have_their_results_due_at_the_same_moments_for_good():
    one, other = (Schedule(0.5, slot(now, 0.5)) for now in (1000.011, 1000.049))
    for n in range(1, 1000):
        now = 1000 + n * 0.5
        assert one.next(now) == other.next(now)
