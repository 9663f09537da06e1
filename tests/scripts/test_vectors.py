"""The viewer's logic in Python answers as `tests/vectors` says; `tests/static/vectors.test.js` asks JavaScript."""

import json

import pytest

from scripts.vectors.__main__ import FOLDER, SUBJECTS, agree, is_current, vectors


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


def test_a_file_is_current_where_numbers_differ_in_their_last_places_alone(tmp_path):
    file = tmp_path / "subject.json"
    assert not is_current(file, "[1]")
    file.write_text('[{"gives": [-4.4e-16, true, "ok", null]}]')
    assert is_current(file, '[{"gives": [0.0, true, "ok", null]}]')
    for other in ('[0.01, true, "ok", null]', '[0.0, 1, "ok", null]', '[0.0, true, "no", null]', "[0.0, true]"):
        assert not is_current(file, f'[{{"gives": {other}}}]')
