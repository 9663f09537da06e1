"""The voice network: who is known to speak, and who is not."""

import numpy as np
import pytest
import torch

from models.calibration import REFERENCE, reference
from models.features import N_MELS, N_MFCC, LogMel
from models.networks.voice import AudioBiLSTM, SpecAugment, VocalTract
from models.voice_batches import set_population
from tests.models.voices import people, say, small_network


@pytest.fixture(scope="module")
def network() -> AudioBiLSTM:
    """Return an adaptive network that knows the mean and deviation of a few people, near the microphone and far."""
    known = small_network()
    sounds = people({"ravdess-02": ["neutral", "happy"], "ravdess-03": ["neutral", "sad"]})
    set_population(known, sounds + [(clip, sound // 16) for clip, sound in sounds])
    return known


def waveforms(count: int = 3, seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, round(seconds * 16_000), generator=torch.Generator().manual_seed(seed)) * 0.1


def standardised(network: AudioBiLSTM, mfcc: torch.Tensor, who: torch.Tensor | None) -> torch.Tensor:
    """Return the coefficients [B, 40, T] as the first of the network's two ways of seeing them has them."""
    seen: list[torch.Tensor] = []
    hook = network.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.classify(mfcc, who)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("adaptive", [True, False])
@torch.inference_mode()
def test_zeros_are_nobody_in_particular(adaptive: bool) -> None:
    model, given = small_network(adaptive=adaptive), waveforms()
    torch.testing.assert_close(model(given, torch.zeros(3, REFERENCE)), model(given), rtol=0, atol=0)


@torch.inference_mode()
def test_a_reference_undoes_how_a_person_differs(network: AudioBiLSTM) -> None:
    rng = torch.Generator().manual_seed(1)
    shift, log_scale = torch.randn(3, N_MFCC, generator=rng), 0.3 * torch.randn(3, N_MFCC, generator=rng)
    mfcc = network.features(waveforms())
    scaled = (mfcc - network.mean) / network.deviation
    theirs = network.mean + network.deviation * (scaled * log_scale.exp()[..., None] + shift[..., None])
    who = torch.cat([shift, log_scale], dim=1)
    torch.testing.assert_close(standardised(network, theirs, who), standardised(network, mfcc, None), rtol=0, atol=1e-4)
    assert (standardised(network, theirs, None) - standardised(network, mfcc, None)).abs().max() > 1


@torch.inference_mode()
def test_a_shift_that_the_reference_tells_of_does_not_change_the_answer(network: AudioBiLSTM) -> None:
    shift = torch.randn(3, N_MFCC, generator=torch.Generator().manual_seed(2))
    mfcc = network.features(waveforms())
    shifted = mfcc + network.deviation * shift[..., None]
    who = torch.cat([shift, torch.zeros(3, N_MFCC)], dim=1)
    torch.testing.assert_close(network.classify(shifted, who), network.classify(mfcc), rtol=0, atol=1e-4)
    assert (network.classify(shifted) - network.classify(mfcc)).abs().max() > 1e-3


@torch.inference_mode()
def test_each_row_has_its_own_reference(network: AudioBiLSTM) -> None:
    given, who = waveforms(), torch.randn(3, REFERENCE, generator=torch.Generator().manual_seed(3))
    together = network(given, who)
    for row in range(3):
        torch.testing.assert_close(together[row : row + 1], network(given[row : row + 1], who[row : row + 1]))
    assert (together - network(given, who.roll(1, dims=0))).abs().max() > 1e-3


@torch.inference_mode()
def test_who_speaks_over_a_softer_line_is_known_by_their_neutral_speech_over_it(network: AudioBiLSTM) -> None:
    """From the waveform to the reference and back: with it the line's gain does not matter, without it it does."""
    neutral = torch.from_numpy(say("neutral", 200)[4_000:20_000] / np.float32(32768))[None]
    angry = torch.from_numpy(say("angry", 200)[4_000:20_000] / np.float32(32768))[None]

    def answers(gain: float, *, known: bool) -> torch.Tensor:
        statistics = network.describe(neutral * gain).numpy()
        who = torch.from_numpy(reference(list(statistics) * 5_000))[None]
        return network(angry * gain, who if known else None)

    torch.testing.assert_close(answers(0.3, known=True), answers(1.0, known=True), rtol=0, atol=1e-3)
    assert (answers(0.3, known=False) - answers(1.0, known=False)).abs().max() > 5e-3


@torch.inference_mode()
def test_statistics_are_those_of_the_loud_frames_alone(network: AudioBiLSTM) -> None:
    speech = waveforms(1)
    paused = torch.cat([1e-4 * waveforms(1, seed=5), speech], dim=1)
    alone, together = network.describe(speech), network.describe(paused)
    assert alone.shape == (1, REFERENCE)
    torch.testing.assert_close(together, alone, rtol=0, atol=0.05)  # but for the frame on the border
    mfcc = (network.cepstrum(network.log_mel(speech)) - network.mean) / network.deviation
    expected = torch.cat([mfcc.mean(dim=2), mfcc.square().mean(dim=2)], dim=1)
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-4)  # noise has no pauses


@torch.inference_mode()
def test_silence_is_described_in_numbers(network: AudioBiLSTM) -> None:
    assert torch.isfinite(network.describe(torch.zeros(1, 16_000))).all()


def test_describing_is_not_disturbed_by_training(network: AudioBiLSTM) -> None:
    given = waveforms()
    before = network.describe(given)
    network.train()
    try:
        torch.testing.assert_close(network.describe(given), before, rtol=0, atol=0)
    finally:
        network.eval()


@pytest.mark.parametrize("seconds", [0.5, 0.613, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("adaptive", [True, False])
@torch.inference_mode()
def test_windows_of_half_a_second_to_four_are_answered(seconds: float, adaptive: bool) -> None:
    logits = small_network(adaptive=adaptive)(waveforms(2, seconds))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()


def test_gradients_reach_every_weight(network: AudioBiLSTM) -> None:
    model = small_network().train()
    model(waveforms(4), torch.zeros(4, REFERENCE)).square().sum().backward()
    for name, parameter in model.named_parameters():
        if name != "pool.score.2.bias":  # a softmax does not see what is added to all its inputs
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_only_an_adaptive_network_stores_the_population() -> None:
    """Artefacts from before there were adaptive networks hold no such tensors, and still load."""
    assert {"mean", "deviation"} <= small_network().state_dict().keys()
    assert not {"mean", "deviation"} & small_network(adaptive=False).state_dict().keys()


def test_parts_are_hidden_while_training_only() -> None:
    torch.manual_seed(0)
    hide, given = SpecAugment(), torch.randn(8, 64, 101)
    hidden = hide.train()(given)
    changed = (hidden != given).float().mean(dim=(1, 2))
    assert (changed > 0).any() and changed.max() < 0.6
    assert hide.eval()(given) is given


@pytest.mark.parametrize("tract", [0.9, 1.0, 1.1])
def test_a_longer_vocal_tract_sounds_lower(tract: float) -> None:
    tone = torch.sin(2 * torch.pi * 1500 * torch.arange(16_000) / 16_000)[None]
    given, module = LogMel()(tone), VocalTract()
    moved = module(given, torch.full((1, 1), tract))
    assert moved.shape == given.shape == (1, N_MELS, 101)
    power = (10 ** (moved / 10)).mean(dim=2)
    centre = float((power * module.centres).sum() / power.sum())
    assert centre == pytest.approx(1500 / tract, rel=0.03)  # bands of that height are 0.06 apart


def test_tracts_are_each_ones_own_and_those_of_their_own_length_stay_as_they_are() -> None:
    given, tracts = (
        torch.randn(3, N_MELS, 101, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[1.0], [0.93], [1.1]]),
    )
    moved = VocalTract()(given, tracts)
    torch.testing.assert_close(moved[0], given[0], rtol=0, atol=0)
    for row in (1, 2):
        torch.testing.assert_close(moved[row], VocalTract()(given[row, None], tracts[row, None])[0])
        assert (moved[row] != given[row]).any(dim=1).float().mean() > 0.9
    assert VocalTract()(given, None) is given


@torch.inference_mode()
def test_voice_and_reference_know_of_the_same_vocal_tract(network: AudioBiLSTM) -> None:
    given, tract = waveforms(), torch.tensor([[0.95], [1.0], [1.08]])
    answers, statistics = network(given, None, tract), network.describe(given, tract)
    assert [bool((answers[row] != network(given)[row]).any()) for row in range(3)] == [True, False, True]
    assert [bool((statistics[row] != network.describe(given)[row]).any()) for row in range(3)] == [True, False, True]
