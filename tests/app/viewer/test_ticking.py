import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.ticking import Schedule


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
