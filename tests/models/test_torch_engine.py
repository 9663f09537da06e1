"""The temperature of answers."""

import numpy as np
import pytest
import torch

from models.metrics import expected_calibration_error
from models.torch_engine import fit_temperature


def drawn(temperature: float, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits [N, 7] and labels that come as often as the logits, divided by the temperature, say."""
    chance = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(count, 7, generator=chance)
    labels = torch.multinomial((logits / temperature).softmax(dim=1), 1, generator=chance)[:, 0]
    return logits, labels


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.0, 2.0, 5.0])
def test_the_temperature_by_which_labels_come_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("margin", [5.0, 30.0, 300.0])
def test_a_network_that_is_sure_of_everything_and_often_wrong_is_blunted(margin: float) -> None:
    labels = torch.arange(20) % 2
    said = torch.where(torch.arange(20) < 14, labels, 1 - labels)  # 14 of 20 are right
    temperature = fit_temperature(margin * torch.nn.functional.one_hot(said, 2).float(), labels)
    sure = torch.tensor([margin, 0.0]).div(temperature).softmax(dim=0)[0]
    assert float(sure) == pytest.approx(0.7, abs=0.001) or temperature == pytest.approx(20, rel=0.01)


def test_answers_that_are_all_right_are_not_sharpened_without_end() -> None:
    labels = torch.arange(14) % 7
    assert 0.1 <= fit_temperature(torch.nn.functional.one_hot(labels, 7).float(), labels) < 1
    assert 1 < fit_temperature(torch.nn.functional.one_hot((labels + 1) % 7, 7).float(), labels) <= 20.001


def test_what_no_temperature_makes_better_is_left_as_it_is() -> None:
    labels = torch.arange(14) % 7
    assert fit_temperature(1000 * torch.nn.functional.one_hot(labels, 7).float(), labels) == pytest.approx(1, abs=0.11)


def test_a_few_wrong_labels_do_not_blunt_all_answers() -> None:
    logits, labels = drawn(0.3)
    wrong = torch.arange(0, len(labels), 50)
    labels[wrong] = logits[wrong].argmin(dim=1)
    temperature = fit_temperature(logits, labels)
    assert temperature < 0.45  # by cross-entropy it would be 0.68
    probs = (logits / temperature).softmax(dim=1).numpy()
    assert expected_calibration_error(probs, labels.numpy().astype(np.int64)) < 0.03
