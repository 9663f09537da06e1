import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Eileen Collins, NASA, public domain: RGB [512, 512, 3], one face."""
    return np.asarray(skimage.data.astronaut(), np.uint8)


@pytest.fixture(scope="session")
def astronaut_jpeg(astronaut: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def settle() -> Callable[[Any, Any], None]:
    """Fit a network's batch norms to a batch, as training would.

    The output of a deep network with fresh norms hardly depends on its input, so that tests would see little.
    """

    def fit_norms(module: Any, batch: Any) -> None:
        import torch

        norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            module.train()(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval()

    return fit_norms


@pytest.fixture(scope="session")
def hsemotion_cache(
    tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, settle: Callable[[Any, Any], None]
) -> Path:
    """A cache with HSEmotion's architecture in both published forms, holding random weights.

    Nothing can be downloaded where tests run. The module is pickled whole and the graph is exported with the
    options of the authors' own conversion script, so that the files differ from the published ones in weights
    alone. The classifier is biased, so that the seven outputs are far apart.
    """
    folder = tmp_path_factory.mktemp("hsemotion")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's import and the exporter that the authors used are deprecated
        import timm
        import torch

        torch.manual_seed(0)
        module = timm.create_model("tf_efficientnet_b2_ns", pretrained=False)
        module.classifier = torch.nn.Sequential(torch.nn.Linear(module.num_features, 7))
        with torch.no_grad():
            module.classifier[0].bias.copy_(torch.tensor([0.0, 1.5, 0.3, 2.0, 0.9, 1.2, 0.6]))
        photo = torch.from_numpy(astronaut.copy()).permute(2, 0, 1).float() / 64 - 2
        settle(module, torch.stack([photo[:, k : k + 260, j : j + 260] for k, j in ((0, 90), (120, 0), (250, 250))]))
        torch.save(module, folder / "enet_b2_7.pt")
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, 260, 260),),
            str(folder / "enet_b2_7.onnx"),
            opset_version=11,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch_size"}, "output": {0: "batch_size"}},
            dynamo=False,
        )
    return folder
