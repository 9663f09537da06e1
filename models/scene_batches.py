"""What feature fusion is trained on and judged by: windows of sound, each with a face of the same scene."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.augment_face import augment_faces
from models.augment_voice import Channel, Noise
from models.datasets.clips import draw_weights
from models.inference import Float32, UInt8
from models.labels import LABELS
from models.metrics import top_k, uar
from models.scenes import Scene
from models.torch_engine import in_wire_order
from models.training import Batch, Recipe, soft_targets
from models.windows import cut, draw_length, draw_start, speech_span, stream_windows

PART = 64
"""Examples that are judged at once."""


class SceneBatches:
    """Draws windows of scenes, lightly augmented, each with a face that was seen meanwhile.

    Scenes are drawn by `draw_weights`. Each batch has one window length.

    Attributes:
        steps: Batches in an epoch.
    """

    def __init__(self, scenes: Sequence[Scene], labels: Sequence[str], recipe: Recipe, windows: int) -> None:
        """Take the scenes, the labels in the order of the logits, and how many windows of a scene make an epoch."""
        self._scenes, self._recipe, self._classes = scenes, recipe, len(labels)
        self._spans = [speech_span(scene.sound) for scene in scenes]
        self._targets = torch.tensor([labels.index(scene.label) for scene in scenes])
        self._weights = draw_weights(scenes)
        self.steps = max(1, len(scenes) * windows // recipe.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield an epoch of ((waveforms [B, N], crops [B, C, H, W]), targets [B, classes]); follows seed and number."""
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, number))
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number)
        for _ in range(self.steps):
            length = draw_length(rng)
            chosen = rng.choice(len(self._scenes), recipe.batch_size, p=self._weights)
            windows, faces = zip(*(self._draw(index, length, rng) for index in chosen), strict=True)
            crops = augment_faces(_pixels(faces), generator).contiguous(memory_format=torch.channels_last)
            targets = soft_targets(self._targets[chosen], self._classes, recipe.label_smoothing)
            yield (torch.from_numpy(np.stack(windows)), crops), targets

    def _draw(self, index: int, length: int, rng: np.random.Generator) -> tuple[Float32, UInt8]:
        scene = self._scenes[index]
        start = draw_start(scene.sound, self._spans[index], length, rng)
        seen = scene.seen(start / len(scene.sound), (start + length) / len(scene.sound))
        window = _line(rng).apply(cut(scene.sound, start, length), lambda count: [], rng)
        return window, scene.faces[rng.choice(seen)]


def _line(rng: np.random.Generator) -> Channel:
    """Draw some noise, and how loud all is. Pace and pitch stay as they are: the face goes with them."""
    noise = Noise(0, rng.uniform(0, 2), 0.0) if rng.random() < 0.3 else None
    return Channel(noise=noise, snr_db=rng.uniform(10, 35), gain=10 ** (rng.uniform(-12, 6) / 20))


class HeldOutScenes:
    """The 1 s windows of scenes [K] that a stream would ask about, each with a face that was seen meanwhile.

    Attributes:
        scenes: The number of each one's scene [K].
        labels: Of each, an index into `LABELS` [K].
        targets: Of each, an index into the logits [K].
    """

    def __init__(self, scenes: Sequence[Scene], labels: tuple[str, ...]) -> None:
        self._known = labels
        cuts = [stream_windows(scene.sound) for scene in scenes]
        rows = [len(windows) for windows in cuts]
        self.scenes = np.repeat(np.arange(len(scenes)), rows)
        self.labels = np.array([LABELS.index(scene.label) for scene in scenes], np.int64)[self.scenes]
        self.targets = torch.tensor([labels.index(scene.label) for scene in scenes])[self.scenes]
        self._windows = np.concatenate(cuts)
        self._faces: list[UInt8] = []
        for scene, count in zip(scenes, rows, strict=True):
            for row in range(count):
                # Silent windows are left out, mostly at both ends alike: so this is about when each was heard.
                seen = scene.seen(row / count, (row + 1) / count)
                self._faces.append(scene.faces[seen[len(seen) // 2]])

    def __len__(self) -> int:
        return len(self._windows)

    @torch.no_grad()
    def logits(self, network: nn.Module) -> Tensor:
        """Return logits [K, classes]."""
        network.eval()
        device = next(network.parameters()).device
        parts = []
        for start in range(0, len(self), PART):
            waveforms = torch.from_numpy(self._windows[start : start + PART] / np.float32(32768))
            crops = _pixels(self._faces[start : start + PART]).to(device, memory_format=torch.channels_last)
            parts.append(network(waveforms.to(device), crops).cpu())
        return torch.cat(parts)

    def probabilities(self, logits: Tensor) -> Float32:
        """Map logits [K, classes] to probabilities [K, 7] in the order of `LABELS`."""
        probs: Float32 = in_wire_order(logits.softmax(dim=1), self._known).numpy()
        return probs

    def metrics(self, network: nn.Module) -> dict[str, float]:
        """Return top-1 and UAR of single windows."""
        probs = self.probabilities(self.logits(network))
        return {"top1": top_k(probs, self.labels, 1), "uar": uar(probs, self.labels)}


def _pixels(crops: Sequence[UInt8]) -> Tensor:
    """Stack crops [size, size, channels] to what networks take [B, channels, size, size], 0..255."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
