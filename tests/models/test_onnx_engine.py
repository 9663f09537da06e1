from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.onnx_engine import CPU, OnnxFace, ProviderError, choose_providers, open_session

GRAPH = Path(__file__).resolve().parents[2] / "weights" / "fer_resnet.onnx"


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    choose_providers(("cpu",))


@pytest.mark.parametrize("names", [(), ("cpu",), ("CPU",), (CPU,), ("cpuexecutionprovider",)])
def test_a_provider_has_a_short_name_and_a_long_one(names: tuple[str, ...]) -> None:
    choose_providers(names)
    assert open_session(GRAPH, 1).get_providers() == [CPU]
    probs = OnnxFace(GRAPH).predict(np.zeros((1, 48, 48, 1), np.uint8))
    assert probs.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["quantum", "cuda11", ""])
def test_a_provider_that_nobody_has_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ProviderError, match=rf"ONNX_PROVIDERS={name}: .* only .*cpu"):
        choose_providers(("cpu", name))


def test_a_provider_that_does_not_start_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a machine with the right package and no device: the runtime goes on with the CPU by itself.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", CPU])
    choose_providers(("cuda", "cpu"))
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(ProviderError, match="does not start"):
        open_session(GRAPH, 1)
