import json
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.artefact import METADATA_KEY, ArtefactError, ArtefactInfo
from models.inference import Traits
from models.labels import LABELS
from models.loading import load_face, load_voice

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
INFO = ArtefactInfo("a_voice", "voice", "audio_bilstm", {}, temperature=1.5, heard=("ravdess-02",))
NEUTRAL = (0.1, 0.05, 0.05, 0.1, 0.5, 0.15, 0.05)
ADAPTIVE = replace(INFO, adaptive=True, sharpening=0.4, neutral=NEUTRAL)
NO_OPTIONS = json.dumps(json.loads(INFO.to_json()) | {"options": 7})


@pytest.mark.parametrize("info", [INFO, ADAPTIVE], ids=["plain", "adaptive"])
def test_an_artefact_says_the_same_after_the_round_trip(info: ArtefactInfo) -> None:
    assert ArtefactInfo.from_json(info.to_json()) == info


def test_an_artefact_from_before_there_were_traits_has_none() -> None:
    said = json.loads(INFO.to_json())
    for late in ("adaptive", "sharpening", "neutral"):
        del said[late]
    old = ArtefactInfo.from_json(json.dumps(said))
    assert old == INFO
    assert old.traits == Traits(sharpening=0.0, neutral=None, adaptive=False)
    assert ADAPTIVE.traits == Traits(sharpening=0.4, neutral=NEUTRAL, adaptive=True)


@pytest.mark.parametrize("text", ["", "no JSON", NO_OPTIONS, "7", "[]", "{}", '{"name": "x", "geometry": null}'])
def test_what_describes_no_artefact_is_refused(text: str) -> None:
    with pytest.raises(ArtefactError, match="not an artefact's description"):
        ArtefactInfo.from_json(text)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (("calm", "happy"), "a_voice: no label calm: there are angry, disgust, "),
        (("happy",), "a_voice: the labels happy are not two or more different ones"),
        ((), r"a_voice: the labels \(none\) are not"),
        (("happy", "sad", "happy"), "happy, sad, happy are not"),
        (("happy", "sad", 3), "a_voice: no label 3"),
        (("happy", "sad"), "a_voice has 2 labels for 7 outputs"),
    ],
)
def test_labels_that_no_model_can_have_are_refused(labels: tuple[str, ...], why: str) -> None:
    with pytest.raises(ArtefactError, match=why):
        ArtefactInfo.from_json(replace(INFO, labels=labels).to_json())


@given(st.permutations(LABELS), st.integers(2, 7))
def test_an_artefact_may_have_some_of_the_labels_in_any_order(order: list[str], count: int) -> None:
    labels = tuple(order[:count])
    info = replace(INFO, labels=labels, options={"classes": count})
    assert ArtefactInfo.from_json(info.to_json()) == info
    assert info.traits.labels == tuple(label for label in LABELS if label in labels)


def test_a_neutral_answer_about_fewer_labels_is_refused() -> None:
    with pytest.raises(ArtefactError, match="a_voice has a neutral answer of 6 labels"):
        ArtefactInfo.from_json(replace(ADAPTIVE, neutral=NEUTRAL[1:]).to_json())


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_an_artefact_of_a_newer_program_is_refused_by_name(tmp_path: Path, engine: str) -> None:
    said = {"window_function": "kaiser"}
    if engine == "onnx":
        path = tmp_path / "audio_bilstm.onnx"
        graph = onnx.load(WEIGHTS / path.name)
        (entry,) = (entry for entry in graph.metadata_props if entry.key == METADATA_KEY)
        entry.value = json.dumps(json.loads(entry.value) | said)
        onnx.save(graph, path)
    else:
        path = tmp_path / "audio_bilstm.pt"
        stored = torch.load(WEIGHTS / path.name, weights_only=True)
        torch.save({**stored, "info": json.dumps(json.loads(stored["info"]) | said)}, path)
    with pytest.raises(ArtefactError, match="newer version") as refused:
        load_voice("audio_bilstm", engine=engine, weights_dir=tmp_path)
    assert path.name in str(refused.value)
    assert "window_function" in str(refused.value)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_the_models_on_offer_are_of_the_kind_asked_for(engine: str) -> None:
    with pytest.raises(ArtefactError, match=r"models of this kind: audio_bilstm(, audio_bilstm_int8)?$"):
        load_voice("nonsense", engine=engine, weights_dir=WEIGHTS)
    with pytest.raises(ArtefactError, match=r"models of this kind: fer_resnet(, fer_resnet_\w+)*$"):
        load_face("nonsense", engine=engine, weights_dir=WEIGHTS)
    with pytest.raises(ArtefactError, match="expected a voice model"):
        load_voice("fer_resnet", engine=engine, weights_dir=WEIGHTS)


def test_without_torch_the_file_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"requirements\.txt"):
        load_voice("audio_bilstm", engine="torch", weights_dir=WEIGHTS)


def test_the_torch_engine_takes_no_more_threads_than_it_may() -> None:
    before = torch.get_num_threads()
    try:
        for threads in (3, 2):
            load_voice("audio_bilstm", engine="torch", weights_dir=WEIGHTS, threads=threads)
            assert torch.get_num_threads() == threads
        if (WEIGHTS / "fer_resnet.pt").is_file():
            load_face("fer_resnet", engine="torch", weights_dir=WEIGHTS, threads=3)
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
