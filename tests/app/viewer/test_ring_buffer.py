import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.ring_buffer import RingBuffer

CHUNKS = st.lists(st.integers(0, 25), max_size=20)


@given(st.integers(1, 12), CHUNKS, st.integers(0, 30))
def test_holds_the_newest_samples_like_a_list_that_is_cut(capacity, sizes, count):
    ring, everything = RingBuffer(capacity), np.zeros(0, np.int16)
    for size in sizes:
        chunk = np.arange(len(everything), len(everything) + size, dtype=np.int16)
        ring.write(chunk)
        everything = np.concatenate((everything, chunk))
        held = everything[-capacity:]
        assert ring.newest(count).tolist() == (held[-count:].tolist() if count else [])
        assert ring.total == len(everything)
        assert ring.oldest == len(everything) - len(held)


def test_what_was_read_does_not_change_when_more_is_written():
    ring = RingBuffer(4)
    ring.write(np.array([1, 2, 3, 4], np.int16))
    read = ring.newest(4)
    ring.write(np.array([5, 6], np.int16))
    assert read.tolist() == [1, 2, 3, 4]


def test_starts_again_when_cleared():
    ring = RingBuffer(4)
    ring.write(np.array([1, 2, 3], np.int16))
    ring.clear()
    assert ring.total == 0
    assert ring.newest(4).tolist() == []


def test_keeps_no_sample_when_cleared():
    ring = RingBuffer(4)
    ring.write(np.array([1, 2, 3], np.int16))
    ring.clear()
    (held,) = (each for each in vars(ring).values() if isinstance(each, np.ndarray))
    assert not held.any()
