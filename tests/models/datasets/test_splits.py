"""Splits by speaker: nobody in two parts, nothing lost, the same for the same seed."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.datasets.clips import SEVERAL, UNKNOWN, Clip, with_labels
from models.datasets.splits import SpeakerLeakError, Split, TooFewSpeakersError, split_by_speaker

CASTS = st.lists(st.tuples(st.sampled_from(["female", "male", UNKNOWN]), st.integers(1, 30)), min_size=3, max_size=30)


def cast(people: list[tuple[str, int]]) -> list[Clip]:
    return [
        Clip(Path(f"{person}-{number}.wav"), "happy", f"set-{person:02d}", gender)
        for person, (gender, count) in enumerate(people)
        for number in range(count)
    ]


@given(people=CASTS, seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_nobody_is_in_two_parts_and_nothing_is_lost(people: list[tuple[str, int]], seed: int, order: object) -> None:
    clips = cast(people)
    split = split_by_speaker(clips, seed=seed)
    split.check_speakers()
    parts = (split.train, split.validation, split.test)
    assert all(parts)
    assert Counter(clip.path for part in parts for clip in part) == Counter(clip.path for clip in clips)
    shuffled = list(clips)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = split_by_speaker(shuffled, seed=seed)
    assert [set(part) for part in parts] == [set(part) for part in (again.train, again.validation, again.test)]


@pytest.mark.parametrize(
    ("men", "women", "sizes"), [(12, 12, (16, 4, 4)), (10, 10, (14, 3, 3)), (48, 43, (63, 14, 14))]
)
def test_parts_have_their_share_and_are_alike_in_gender(men: int, women: int, sizes: tuple[int, ...]) -> None:
    split = split_by_speaker(cast([("male", 60)] * men + [("female", 60)] * women))
    for part, size in zip((split.train, split.validation, split.test), sizes, strict=True):
        genders = Counter({clip.speaker: clip.gender for clip in part}.values())
        assert genders.total() == pytest.approx(size, abs=1)
        assert genders["male"] == pytest.approx(genders.total() * men / (men + women), abs=1)


def test_who_has_most_clips_do_not_all_fall_together() -> None:
    # As in MELD: six main speakers of two genders, and many others.
    people = [("female", 1800)] * 3 + [("male", 1900)] * 3 + [(UNKNOWN, 8)] * 250
    split = split_by_speaker(cast(people))
    total = sum(count for _, count in people)
    assert len(split.train) == pytest.approx(0.7 * total, rel=0.1)
    assert len(split.validation) == pytest.approx(0.15 * total, rel=0.25)
    assert len(split.test) == pytest.approx(0.15 * total, rel=0.25)


def test_seeds_draw_other_people() -> None:
    clips = cast([("male", 5), ("female", 5)] * 12)
    chosen = {frozenset(clip.speaker for clip in split_by_speaker(clips, seed=seed).test) for seed in range(5)}
    assert len(chosen) > 1


def test_a_part_without_a_share_stays_empty() -> None:
    split = split_by_speaker(cast([("female", 10)] * 2), (0.5, 0.5, 0.0))
    assert (len(split.train), len(split.validation), len(split.test)) == (10, 10, 0)


def test_what_several_people_say_is_in_no_part() -> None:
    together = Clip(Path("all.mp4"), "happy", SEVERAL, UNKNOWN)
    split = split_by_speaker([*cast([("female", 2)] * 4), together])
    assert together not in split.train + split.validation + split.test


def test_too_few_speakers_and_senseless_shares_are_refused() -> None:
    with pytest.raises(TooFewSpeakersError, match="2 speakers cannot fill 3 parts"):
        split_by_speaker(cast([("female", 10)] * 2))
    for shares in ((0.0, 0.0, 0.0), (1.2, -0.1, -0.1)):
        with pytest.raises(ValueError, match="shares"):
            split_by_speaker(cast([("female", 10)] * 4), shares)


def test_a_speaker_in_two_parts_is_refused() -> None:
    clips = cast([("male", 2), ("female", 2)])
    with pytest.raises(SpeakerLeakError, match="set-00"):
        Split(clips, clips[:1], []).check_speakers()


def test_a_subset_of_the_labels() -> None:
    clips = [Clip(Path(label), label, "set-1", "male") for label in ("happy", "sad", "fear")]
    assert [clip.label for clip in with_labels(clips, ("sad", "happy"))] == ["happy", "sad"]
    with pytest.raises(ValueError, match="no such label: joy"):
        with_labels(clips, ("joy",))
