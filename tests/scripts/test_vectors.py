"""The viewer's logic in Python answers as `tests/vectors` says; `tests/static/vectors.test.js` asks JavaScript."""

import json
import math

import pytest

from scripts.vectors.__main__ import FOLDER, SUBJECTS, vectors

TOLERANCE = 1e-6
"""Processors differ in the last place of a logarithm."""


def agree(a, b) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(agree(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(agree, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, int | float) or not isinstance(b, int | float):
        return a == b
    return math.isclose(a, b, rel_tol=0.0, abs_tol=TOLERANCE)


def test_there_are_vectors_of_every_subject_and_no_others():
    assert {path.name for path in FOLDER.iterdir()} == {f"{subject}.json" for subject in SUBJECTS}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_vectors_are_what_the_classes_answer_now(subject):
    kept = json.loads((FOLDER / f"{subject}.json").read_text("utf-8"))
    played = json.loads(json.dumps(vectors(subject)))
    names = [case["name"] for case in played]
    assert [case["name"] for case in kept] == names
    assert len(set(names)) == len(names)
    for then, now in zip(kept, played, strict=True):
        assert len(then["steps"]) == len(now["steps"]), then["name"]
        for number, (old, new) in enumerate(zip(then["steps"], now["steps"], strict=True)):
            assert agree(old, new), (
                f"{subject}, {then['name']}, step {number}: {new} is not {old}; "
                "if that is meant, run `python -m scripts.vectors`"
            )
        assert then.get("setup") == now.get("setup"), then["name"]


def test_a_difference_is_seen():
    kept = vectors("session")[5]
    other = json.loads(json.dumps(kept))
    assert agree(kept, other)
    result = next(step for step in other["steps"] if step["do"] == "result")
    result["gives"]["level"] += 1e-5
    assert not agree(kept, other)


def test_every_state_of_the_protocol_has_a_vector():
    results = [step["gives"] for case in vectors("session") for step in case["steps"] if step["do"] == "result"]
    told = [step["gives"] for case in vectors("session") for step in case["steps"] if step["do"] == "calibration"]
    assert {result["voice"]["state"] for result in results} == {"ok", "silence", "warming", "absent"}
    assert {result["face"]["state"] for result in results} == {"ok", "no_face", "stale", "absent"}
    assert {result["fused"]["state"] for result in results} == {"ok", "voice_only", "face_only", "none"}
    assert {status["state"] for status in told} == {"none", "collecting", "done", "failed"}
    for kind in ("frames", "audio", "results"):
        assert any(result["dropped"][kind] for result in results)
