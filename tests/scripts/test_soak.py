"""What a soak counts and how it judges: the arithmetic here, the run by `python -m scripts.soak`."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.soak.report import Figures, Held, Sample, leaked, text, trend, verdict
from scripts.soak.server import DIE, FAULTS, LASTS, Faults
from scripts.soak.strangers import EXPECTED, STRANGERS, surprises
from scripts.soak.viewers import Mark, lost

BEFORE = Held(("MainThread", "voice model", "face path"), {"Server.serve": 1})
GOOD = Figures(
    seconds=60.0,
    good=3,
    good_left=[],
    results=360,
    lost=0,
    dropped={"results": 2},
    answered=0.99,
    delay_ms=(300.0, 700.0),
    errors={"inference_failed": 3},
    churn={"stayed": 4, "lost results": 0},
    strangers={"flood: abuse": 2, "flood: full": 1},
    faults={"voice fails": 3},
    load=(0.7, 0.9),
    viewers=(4.0, 6),
    mib=(300.0, 310.0, 320.0),
    objects=(1000, 1010),
    slope_mib_per_hour=30.0,
    rise_mib=0.5,
    before=BEFORE,
    after=BEFORE,
)


@given(st.lists(st.sampled_from(["comes", "dropped", "lost"]), min_size=25, max_size=120), st.floats(0, 0.9))
def test_results_that_neither_come_nor_are_dropped_are_lost(fates: list[str], late: float) -> None:
    """The nth is due at n intervals; some come late, by less than what makes the next one due."""
    came = dropped = 0
    marks = []
    for number, fate in enumerate([*fates, *["comes"] * 20], 1):
        came += fate == "comes"
        dropped += fate == "dropped"
        if fate == "comes":
            marks.append(Mark(0.5 * (number + (late if number % 2 else 0)), came, dropped))
    assert lost(marks[-20:], 0.5) == fates.count("lost")


def test_who_had_no_result_lost_none() -> None:
    assert lost([], 0.5) == 0


def test_a_soak_as_it_should_be_is_told_so() -> None:
    assert verdict(GOOD) == []
    assert "WRONG" not in text(GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"good": 0},
        {"lost": 1},
        {"good_left": [1011]},
        {"errors": {"too_fast": 1}},
        {"churn": {"lost results": 1}},
        {"strangers": {"flood: 1000": 1}},
        {"strangers": {"half_open: no answer": 1}},
        {"rise_mib": 17.0},
        {"objects": (89_000, 90_001)},
        {"after": replace(BEFORE, threads=(*BEFORE.threads, "voice model"))},
        {"after": replace(BEFORE, tasks={**BEFORE.tasks, "Connection._tick": 2})},
    ],
)
def test_each_fault_of_a_soak_is_found(wrong: dict[str, object]) -> None:
    figures = replace(GOOD, **wrong)  # type: ignore[arg-type]
    (found,) = verdict(figures)
    assert f"WRONG: {found}" in text(replace(figures, wrong=[found]))


def test_idle_threads_of_the_pool_are_no_leak() -> None:
    assert leaked(BEFORE, replace(BEFORE, threads=(*BEFORE.threads, "AnyIO worker thread", "asyncio_3"))) == []


def test_memory_is_judged_once_warm() -> None:
    begin = [Sample(at, 100 + 10 * at, 0, 0, 0) for at in range(10)]
    flat = [Sample(10 + at, 200 + at % 2, 0, 0, 0) for at in range(30)]
    slope, rise = trend([*begin, *flat])
    assert abs(slope) < 0.02
    assert abs(rise) < 0.5
    slope, rise = trend([Sample(at, 200 + at / 60, 0, 0, 0) for at in range(0, 3600, 2)])
    assert (slope * 3600, rise) == pytest.approx((60.0, 45.0), rel=0.01)
    assert trend(flat[:2]) == (0.0, 0.0)


def test_faults_come_in_turn_and_last_a_moment() -> None:
    now = 0.0
    faults = Faults(10, clock=lambda: now)
    struck: list[str] = []
    for tenth in range(10 * 10 * (len(FAULTS) + 2)):
        now = tenth / 10
        struck += [fault for part in ("voice", "face") if (fault := faults.strike(part))]
    assert list(dict.fromkeys(struck)) == list(FAULTS)
    assert [struck.count(fault) for fault in DIE] == [1, 1, 1]
    assert struck.count(FAULTS[1]) == pytest.approx(10 * LASTS, abs=1)
    assert faults.done == Counter(struck)


def test_it_is_known_what_every_stranger_may_be_told() -> None:
    names = {getattr(stranger, "__name__", "") for stranger in STRANGERS}
    assert names == set(EXPECTED)
    assert surprises(Counter({f"{name}: full": 1 for name in names})) == []
