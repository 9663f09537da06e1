"""How often Python looks for what keeps itself alive in a circle: seldom, for nobody is served in the meantime."""

import gc
from typing import Final

THRESHOLDS: Final = (10_000, 5, 5)
"""Objects more than before until the youngest are looked through, and how often that is done until older ones are, too.

A connection that has ended leaves some 120 objects that know each other, so that all are looked through after 2,000
visits. By Python's own (700, 10, 10) that was done four times while 280 viewers came, and took up to 0.1 s."""


def collect_seldom() -> None:
    """Have Python look through objects seldom from now on, and never through those that are there already."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
