"""Admission in virtual time: what is measured, and who is let in by it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guard.admission import FULL, RESUME, SPAN, TAIL, UNMEASURED, Admission, Fading

STEP = 0.5


class House:
    """Viewers who cost a model's thread the same each, twice a second: a share of all that it may do."""

    def __init__(self, limit=0.8, cost=0.02):
        self.admission = Admission(limit, time=1.0)
        self.cost = cost
        self.viewers = 0
        self.now = 1000.0

    def knock(self):
        is_in = self.admission.admits(self.now)
        if is_in:
            self.viewers += 1
            self.admission.came(self.now)
            self.admission.settled(self.now)
        return is_in

    def leave(self, count=1):
        for _ in range(count):
            self.viewers -= 1
            self.admission.went(self.now, settled=True)

    def live(self, seconds, *, lateness=0.1, each_step=lambda: None):
        for _ in range(round(seconds / STEP)):
            for _ in range(4):  # not all at once
                self.now += STEP / 4
                seconds = self.viewers * self.cost * FULL * STEP / 4
                self.admission.worked("face", 1, self.viewers, seconds, self.now)
            for _ in range(self.viewers):
                self.admission.answered(lateness, self.now)
            each_step()

    @property
    def load(self):
        return self.admission.load(self.now)


@given(st.floats(0.01, 1), st.floats(0.01, 10))
def test_a_steady_rate_is_measured_as_it_is_however_it_is_reported(rate, step):
    fading = Fading()
    for n in range(1, int(20 * SPAN / step) + 2):
        fading.add(rate * step, n * step, over=step)
    assert fading.rate(n * step) == pytest.approx(rate)
    assert fading.rate(n * step + SPAN) == pytest.approx(rate / 2.71828, rel=1e-4)


def test_a_thread_that_never_rests_is_a_load_of_one_and_never_more():
    admission = Admission(0.8, time=0.25)
    for n in range(1, 11):
        admission.worked("face", 1, 1000, 20.0, 20.0 * n)
        assert 0.99 < admission.load(20.0 * n) <= 1.0


def test_the_load_is_that_of_the_busiest_thread():
    admission = Admission(0.8, time=0.25)
    for n in range(100):
        admission.worked("voice", 1, 4, 0.1, n)
        admission.worked("face", 2, 4, 0.4, n)
        admission.worked("face", 3, 6, 0.6, n)
    assert admission.load(99) == pytest.approx(0.6 / FULL, abs=0.1)


def crowd(takes, threads=1):
    """Let viewers in while there is room, two results a second each, whose face takes so long on one of the threads."""
    admission, now, viewers = Admission(0.8, time=0.25), 0.0, 0
    while admission.admits(now) and viewers < 100:
        viewers += 1
        admission.came(now)
        admission.settled(now)
        for step in range(80):
            now += 0.5
            for viewer in range(viewers):
                admission.worked("face", (viewer + step) % threads, 1, takes, now)
                admission.answered(min(takes, 0.25), now)
    return viewers, admission.load(now)


@pytest.mark.parametrize("takes", [0.05, 0.11, 0.2])
def test_a_model_that_takes_its_time_is_no_load_beyond_its_threads(takes):
    """HSEmotion on a slow machine, or one far away."""
    viewers, load = crowd(takes)
    assert load == pytest.approx(viewers * 2 * takes / FULL, rel=0.1)
    assert 0 <= 0.8 * FULL / (2 * takes) - viewers < 1.5


def test_a_model_slower_than_a_result_may_wait_is_judged_by_its_threads():
    """Every result goes without its answer, and there is room for some."""
    viewers, _ = crowd(0.4, threads=8)
    assert viewers in range(4, 8)  # each takes a tenth of what eight threads may do, not quite evenly


@pytest.mark.parametrize("takes", [0.05, 0.15, 0.3])
def test_what_a_model_elsewhere_takes_is_no_load_but_what_its_questions_wait_is(takes):
    admission = Admission(0.8, time=0.25)
    admission.came(0.0)
    for n in range(100):
        admission.took("face", takes, n / 2)
        admission.answered(min(takes, 0.25), n / 2)
    assert admission.load(50.0) == pytest.approx(0.0, abs=0.01)
    assert admission.admits(50.0)
    for n in range(100, 200):
        admission.took("face", takes, n / 2)
        admission.answered(0.25, n / 2)  # they wait so long that all results lack their answer
    assert admission.admits(100.0) == (takes > 0.25)
    for n in range(200, 300):
        admission.answered(math.inf, n / 2)
    assert admission.load(150.0) == 1.0


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3))
def test_only_what_is_later_than_the_models_take_counts_as_late(voice, face, late):
    admission = Admission(0.8, time=0.25)
    admission.worked("voice", 1, 1, voice, 10.0)
    admission.worked("face", 2, 1, face, 10.0)
    for n in range(100):
        admission.answered(late, 10.0 + n / 10)
    needed = sum(-math.expm1(-seconds / SPAN) * SPAN for seconds in (voice, face))  # a call fades while it lasts
    share = 0.0 if late <= needed or needed >= 0.25 else min(1.0, (late - needed) / (0.25 - needed))
    assert admission.load(20.0) == pytest.approx(min(1.0, TAIL * share), abs=0.01)  # and what is left of both calls


@pytest.mark.parametrize("cost", [0.004, 0.02, 0.13])
def test_as_many_come_in_as_the_limit_has_room_for_and_not_one_more(cost):
    house = House(cost=cost)
    house.live(150, each_step=house.knock)
    assert 0.99 * 0.8 / cost - 1.5 <= house.viewers <= 0.8 / cost
    assert house.load == pytest.approx(house.viewers * cost, rel=0.05)


@pytest.mark.parametrize("crowd", [10, 100])
def test_a_crowd_at_the_door_never_loads_the_server_beyond_its_limit(crowd):
    house = House(cost=0.05)

    def rush():
        for _ in range(crowd):
            house.knock()
        assert house.viewers * house.cost <= 0.8

    house.live(30, each_step=rush)
    assert house.viewers >= 15


def test_nobody_is_measured_at_first_so_few_come_in_and_then_ever_more():
    house = House(cost=0.0001)
    counts = []

    def rush():
        while house.knock():
            pass
        counts.append(house.viewers)

    house.live(20, each_step=rush)
    assert counts[0] == UNMEASURED
    assert counts == sorted(counts)
    later = counts[round(SPAN / STEP) :]
    assert all(2 * now < then <= 4 * now for now, then in zip(counts, later, strict=False))
    assert counts[-1] > 1000


def test_the_first_viewer_is_let_in_whatever_was_measured():
    house = House(cost=3.0)
    assert house.knock()
    house.live(20)
    assert not house.knock()
    house.leave()
    assert house.knock()


def test_results_that_are_late_keep_new_viewers_out_however_idle_the_models_are():
    house = House(cost=0.0001)
    assert house.knock()
    house.live(20, lateness=0.25)
    assert house.knock()
    assert house.load == pytest.approx(TAIL * 0.25, abs=0.01)
    house.live(20, lateness=0.45)
    assert not house.knock()
    assert house.load == pytest.approx(TAIL * 0.45, abs=0.01)
    house.live(20, lateness=0.9)
    assert house.load == 1.0
    house.live(20, lateness=0.1)
    assert house.knock()


def test_one_late_result_among_many_keeps_nobody_out():
    house = House(cost=0.001)
    assert house.knock()
    house.live(10)
    house.admission.answered(1.0, house.now)
    assert house.knock()


def test_what_was_late_long_ago_and_for_others_does_not_count():
    house = House(cost=0.001)
    house.knock()
    house.live(20, lateness=1.0)
    house.leave()
    house.now += 60
    assert house.knock()
    assert house.knock()


def test_a_full_server_does_not_say_yes_and_no_in_turn():
    """Viewers come and go around the limit: it takes a real drop until the next is let in."""
    house = House(cost=0.02)
    house.live(100, each_step=house.knock)
    full = house.viewers
    assert not house.knock()
    house.leave()
    house.live(20)
    assert not house.knock()
    while not house.knock():
        house.leave()
        house.live(20)
    assert (house.viewers * house.cost) == pytest.approx(0.8 * RESUME, abs=2 * house.cost)
    assert house.viewers < full - 1


@given(st.lists(st.sampled_from(["knock", "leave"]), max_size=60), st.floats(0.02, 0.3))
@settings(deadline=None, max_examples=30)
def test_the_load_expected_of_those_who_are_in_never_passes_the_limit(steps, cost):
    house = House(cost=cost)
    house.live(10 * SPAN, each_step=house.knock)
    for step in steps:
        if step == "knock":
            house.knock()
        elif house.viewers:
            house.leave()
        house.live(STEP)
        assert house.viewers <= max(1, 0.8 / cost + 0.1)


def test_a_limit_of_zero_lets_everybody_in():
    house = House(limit=0, cost=1.0)
    for _ in range(100):
        assert house.knock()
    house.live(10, lateness=1.0)
    assert house.knock()


def test_a_clock_that_stands_or_runs_backwards_breaks_nothing():
    admission = Admission(0.8, time=0.25)
    for now in (5.0, 5.0, 4.0, 5.0):
        assert admission.admits(now)
        admission.came(now)
        admission.worked("face", 1, 1, 0.0, now)
        admission.answered(0.025, now)
        assert 0.0 <= admission.load(now) < 1.0
