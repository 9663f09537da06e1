import pytest
from arithmetic_models import probabilities
from hypothesis import given
from hypothesis import strategies as st

from app.fusion import late_fusion, top_k, top_label
from models.labels import LABELS

PROBS = st.floats(-100, 100).map(probabilities)
WEIGHTS = st.floats(0, 1)


@given(PROBS, PROBS, WEIGHTS)
def test_fuses_by_weight_and_sums_to_one(voice, face, weight):
    fused = late_fusion(voice, face, weight)
    assert fused == pytest.approx(weight * voice + (1 - weight) * face, abs=1e-5)
    assert fused.sum() == pytest.approx(1.0, abs=1e-5)


@given(PROBS, PROBS, WEIGHTS)
def test_it_does_not_matter_which_path_is_called_voice(one, other, weight):
    assert late_fusion(one, other, weight) == pytest.approx(late_fusion(other, one, 1 - weight), abs=1e-5)


@given(PROBS, WEIGHTS)
def test_one_path_alone_is_that_path_whatever_its_weight(probs, weight):
    assert late_fusion(probs, None, weight).tolist() == probs.tolist()
    assert late_fusion(None, probs, weight).tolist() == probs.tolist()


@given(WEIGHTS)
def test_nothing_is_nothing(weight):
    assert late_fusion(None, None, weight) is None


@given(PROBS, st.integers(1, 7))
def test_top_k_is_sorted_capitalised_and_starts_with_the_top_label(probs, k):
    ranked = top_k(probs, k)
    assert len(ranked) == k
    assert [p for _, p in ranked] == sorted(probs.tolist(), reverse=True)[:k]
    assert ranked[0][0] == top_label(probs).capitalize()
    assert all(probs[LABELS.index(label.lower())] == p for label, p in ranked)
