import numpy as np
import pytest
from arithmetic_models import probabilities
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.fusion import late_fusion, sayable, top_k, top_label
from models.labels import LABELS

PROBS = st.floats(-100, 100).map(probabilities)
WEIGHTS = st.floats(0, 1)
SOME = st.sets(st.sampled_from(LABELS), min_size=2)


def among(probs, labels):
    """Keep the probabilities of some labels, as a model that knows no others gives them."""
    kept = np.where([label in labels for label in LABELS], probs + 1e-6, 0)
    return (kept / kept.sum()).astype(np.float32)


def of(probs, labels):
    return probs[[LABELS.index(label) for label in sorted(labels)]].astype(np.float64)


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


@given(PROBS, PROBS, WEIGHTS, SOME, SOME)
def test_with_labels_missing_it_still_sums_to_one_and_what_nobody_knows_is_nought(voice, face, weight, hears, sees):
    fused = late_fusion(among(voice, hears), among(face, sees), weight, hears, sees)
    assert fused.sum() == pytest.approx(1.0, abs=1e-5)
    assert (fused >= 0).all()
    assert not of(fused, set(LABELS) - hears - sees).any()
    swapped = late_fusion(among(face, sees), among(voice, hears), 1 - weight, sees, hears)
    assert fused == pytest.approx(swapped, abs=1e-5)


@given(PROBS, PROBS, WEIGHTS, SOME)
def test_where_both_know_the_same_labels_it_is_the_plain_sum(voice, face, weight, known):
    voice, face = among(voice, known), among(face, known)
    expected = weight * voice + (1 - weight) * face
    assert late_fusion(voice, face, weight, known, known) == pytest.approx(expected, abs=1e-5)


@given(PROBS, PROBS, WEIGHTS, SOME)
def test_what_the_face_cannot_say_stays_as_the_voice_says_it(voice, face, weight, sees):
    fused = late_fusion(voice, among(face, sees), weight, LABELS, sees)
    unseen = set(LABELS) - sees
    assert of(fused, unseen) == pytest.approx(of(voice, unseen), abs=1e-5)
    share = of(voice, sees).sum()
    expected = weight * of(voice, sees) + (1 - weight) * share * of(among(face, sees), sees)
    assert of(fused, sees) == pytest.approx(expected, abs=1e-5)


@given(st.floats(-100, 100), st.floats(-100, 100), SOME, SOME, st.booleans())
def test_a_path_with_all_the_weight_keeps_its_own_odds(voice, face, hears, sees, by_voice):
    answers = among(probabilities(voice), hears), among(probabilities(face), sees)
    if not hears & sees:
        return  # nothing to compare the two by
    fused = late_fusion(*answers, 1.0 if by_voice else 0.0, hears, sees)
    mine, known = (answers[0], hears) if by_voice else (answers[1], sees)
    assert of(fused, known) == pytest.approx(of(mine, known) * of(fused, known).sum(), abs=1e-5)
    if known == set(LABELS):
        assert fused == pytest.approx(mine, abs=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_with_nothing_in_common_to_compare_by_both_are_weighed(weight):
    angry, happy = np.eye(7, dtype=np.float32)[[0, 3]]
    for known in (({"angry", "sad"}, {"happy", "fear"}), ({"angry", "sad"}, {"happy", "sad"})):
        fused = late_fusion(angry, happy, weight, *known)
        assert fused.tolist() == pytest.approx((weight * angry + (1 - weight) * happy).tolist())


@given(PROBS, st.integers(1, 7))
def test_top_k_is_sorted_capitalised_and_starts_with_the_top_label(probs, k):
    ranked = top_k(probs, k)
    assert len(ranked) == k
    assert [p for _, p in ranked] == sorted(probs.tolist(), reverse=True)[:k]
    assert ranked[0][0] == top_label(probs).capitalize()
    assert all(probs[LABELS.index(label.lower())] == p for label, p in ranked)


@given(PROBS, st.integers(1, 7), SOME)
def test_top_k_of_some_labels_leaves_the_others_out_and_the_order_as_it_is(probs, k, some):
    kept = [entry for entry in top_k(probs, 7) if entry[0].lower() in some]
    assert top_k(probs, k, some) == kept[:k]


@given(PROBS, PROBS, WEIGHTS, SOME, SOME)
def test_what_is_not_sayable_is_nought_in_late_fusion(voice, face, weight, hears, sees):
    voice, face = among(voice, hears), among(face, sees)
    for answers, labels in (((voice, face), hears | sees), ((voice, None), hears), ((None, face), sees)):
        assert sayable(*answers, hears, sees) == labels
        assert {LABELS[i] for i in np.flatnonzero(late_fusion(*answers, weight, hears, sees))} <= labels
