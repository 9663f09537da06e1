from hypothesis import given, settings
from hypothesis import strategies as st

from app.guard.arrivals import BURST_SECONDS, MOST_ADDRESSES, Arrivals

HOSTS = ["192.0.2.1", "192.0.2.2", "2001:db8::/64"]


@settings(deadline=None)
@given(
    st.floats(0.05, 200),
    st.lists(st.tuples(st.sampled_from(HOSTS), st.integers(1, 50), st.floats(0, 30)), max_size=20),
)
def test_in_no_time_do_more_of_an_address_come_than_the_rate_and_a_burst(rate, moves):
    arrivals, now = Arrivals(rate), 0.0
    taken = {host: [] for host in HOSTS}
    for host, attempts, passed in moves:
        now += passed
        taken[host] += [now for _ in range(attempts) if arrivals.takes(host, now)]
    burst = max(1.0, rate * BURST_SECONDS)
    for times in taken.values():
        for first, begin in enumerate(times):
            for count, end in enumerate(times[first:], 1):
                assert count <= (burst + rate * (end - begin)) * (1 + 1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.05, 5)), max_size=20))
def test_who_keeps_to_the_rate_comes_in_whatever_others_do(moves):
    arrivals, now = Arrivals(20.0), 0.0
    for attempts, passed in moves:
        now += passed
        for _ in range(attempts):
            arrivals.takes("192.0.2.1", now)
        assert arrivals.takes("192.0.2.2", now)


def test_who_was_refused_comes_in_again_in_time():
    arrivals = Arrivals(2.0)
    assert [arrivals.takes("192.0.2.1", 0.0) for _ in range(22)] == [True] * 20 + [False] * 2
    assert arrivals.takes("192.0.2.1", 0.6)
    assert not arrivals.takes("192.0.2.1", 0.6)


def test_what_has_no_address_is_not_counted():
    arrivals = Arrivals(0.1)
    assert all(arrivals.takes(None, 0.0) for _ in range(100))
    assert len(arrivals) == 0


def test_zero_sets_no_limit():
    arrivals = Arrivals(0)
    assert all(arrivals.takes("192.0.2.1", 0.0) for _ in range(100_000))


def test_addresses_are_forgotten_and_never_too_many():
    arrivals = Arrivals(1.0)
    for number in range(MOST_ADDRESSES + 500):
        assert arrivals.takes(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(arrivals) == MOST_ADDRESSES
    assert arrivals.takes("192.0.2.1", BURST_SECONDS)
    assert len(arrivals) == 1
