import ipaddress
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.guard.addresses import Addresses, counted
from app.protocol import FarewellError


def refused(addresses, host):
    try:
        with addresses.room(host):
            return False
    except FarewellError as fault:
        assert fault.code == "address_full"
        assert str(host) not in fault.message
        return True


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("testclient", "testclient", True),
    ],
)
def test_viewers_of_one_address_are_counted_together(one, other, same):
    addresses = Addresses(1)
    with addresses.room(one):
        assert refused(addresses, other) is same
    assert not refused(addresses, other)


@pytest.mark.parametrize("host", [None, "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_not_counted(host):
    addresses = Addresses(1)
    with addresses.room(host):
        assert not refused(addresses, host)


@pytest.mark.parametrize(
    ("host", "is_counted"),
    [
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("2001:db8:5::1", False),
        ("2001:db8:5::2", True),  # another machine of the proxy's network
        ("11.1.2.3", True),
        ("testclient", True),
    ],
)
def test_proxies_are_not_counted(host, is_counted):
    proxies = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:5::1")]
    assert (counted(host, proxies) is not None) is is_counted


def test_zero_sets_no_limit():
    addresses = Addresses(0)
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(addresses.room("192.0.2.1"))


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.booleans())))
def test_there_are_never_more_than_may_be_and_nobody_is_remembered(moves):
    addresses = Addresses(2)
    inside = {}
    for host, comes in moves:
        rooms = inside.setdefault(host, [])
        if comes:
            stack = ExitStack()
            try:
                stack.enter_context(addresses.room(host))
                rooms.append(stack)
            except FarewellError:
                assert len(rooms) == 2
            assert len(rooms) <= 2
        elif rooms:
            rooms.pop().close()
    for rooms in inside.values():
        for room in rooms:
            room.close()
    assert not addresses._taken
