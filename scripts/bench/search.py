"""The largest number of viewers that a server holds: doubling, then halving the gap. Pure."""

from collections.abc import Callable


def largest(holds: Callable[[int], bool], first: int, most: int, *, nearness: float = 0.06) -> int:
    """Return the largest number that holds, give or take; 0 where not even one does.

    Args:
        holds: Tries a number. Whatever is more than one that does not hold is taken not to hold either.
        first: To begin with.
        most: Beyond which nothing is tried.
        nearness: Share of the number by which the answer may be too small.
    """
    low, high = 0, first
    while high <= most and holds(high):
        low, high = high, 2 * high
    if high > most:  # never seen not to hold
        if low >= most or holds(most):
            return max(low, most)
        high = most
    while high - low > max(1, nearness * low):
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
