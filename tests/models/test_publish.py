"""A model card tells of the labels that the model and its data have, and of no others."""

import numpy as np

from models.labels import LABELS
from models.metrics import report
from models.publish import card_table


def test_a_card_has_a_row_and_a_column_for_each_label_that_occurs() -> None:
    true, said = ["angry", "happy", "sad", "happy"], ["angry", "happy", "neutral", "angry"]
    probs = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(label) for label in said]]
    table = card_table(report(probs, np.array([LABELS.index(label) for label in true])))
    assert table[table.index("") + 1 :] == [
        "| true \\ said | angry | happy | neutral | sad | recall |",
        "|---|---|---|---|---|---|",
        "| angry | 1 | 0 | 0 | 0 | 100.0% |",
        "| happy | 1 | 1 | 0 | 0 | 50.0% |",
        "| neutral | 0 | 0 | 0 | 0 | 0.0% |",
        "| sad | 0 | 0 | 1 | 0 | 0.0% |",
    ]
