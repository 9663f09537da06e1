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


def test_a_few_wrong_labels_do_not_blunt_all_answers() -> None:
    logits, labels = drawn(0.3)
    wrong = torch.arange(0, len(labels), 50)
    labels[wrong] = logits[wrong].argmin(dim=1)
    temperature = fit_temperature(logits, labels)
    assert temperature < 0.45  # by cross-entropy it would be 0.68
    probs = (logits / temperature).softmax(dim=1).numpy()
    assert expected_calibration_error(probs, labels.numpy().astype(np.int64)) < 0.03
