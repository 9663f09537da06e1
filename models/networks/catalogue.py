"""The voice and face networks by name: where they come from, what they take, how to train them."""

from functools import partial
from typing import Final

from models.labels import LABELS
from models.networks.cepstral import CnnMfcc, ResLstm
from models.networks.entry import Entry, Input, Weights
from models.networks.face import FaceResNet
from models.networks.photo import TimmFace
from models.networks.small_face import Cnn48, MiniXception
from models.networks.spectrogram import SpectrogramVit
from models.networks.voice import AudioBiLSTM
from models.networks.wav2vec2 import REPOSITORY, Wav2Vec2
from models.training import Recipe

OURS: Final = "MIT (this project)"
TIMM: Final = "Apache-2.0 (timm)"
APPLE: Final = "Apple's (github.com/apple/ml-cvnets)"
MOBILEVIT: Final = f"{TIMM}, its blocks {APPLE}"

WAVEFORM: Final = Input(waveform=True)
GREY_48: Final = Input(size=48, channels=1)

FOUR: Final = ("angry", "happy", "neutral", "sad")
CREMA_D: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad")
AFFECTNET: Final = (*LABELS, "contempt")
RAVDESS: Final = (*LABELS, "calm")

FER: Final = Recipe(epochs=45, batch_size=128, lr=2e-3, mixup=0.0, patience=45)
SPEECH: Final = Recipe(epochs=60, batch_size=64, lr=3e-3, ema_decay=0.995, mixup=0.0, label_smoothing=0.05, patience=60)
TWO_PHASES: Final = (Recipe(epochs=10, batch_size=64, lr=1e-3), Recipe(epochs=40, batch_size=64, lr=1e-4))
"""As system A: ten epochs of the head alone, then forty of everything at a low rate."""


def _imagenet(name: str, licence: str = "Apache-2.0", data: str = "ImageNet-1k") -> Weights:
    return Weights(f"timm/{name}", licence, data)


FACES: Final = (
    Entry(
        "face_resnet", "face", FaceResNet, GREY_48, source="this project", licence=OURS, recipe=FER,
        tiny={"width": 16, "blocks": (1, 1, 1, 1)},
    ),
    Entry(
        "cnn48", "face", Cnn48, GREY_48, source="system C: many published desktop programs",
        licence=OURS, claim="up to 96 % on FER-2013: on pictures it was trained on", recipe=FER, tiny={"hidden": 128},
    ),
    Entry(
        "mini_xception", "face", MiniXception, GREY_48, source="system C: Arriaga et al. 2017, arXiv 1710.07557",
        licence=OURS, claim="66 % top-1 on FER-2013", recipe=Recipe(epochs=80, batch_size=128, lr=3e-3),
    ),
    Entry(
        "resnet18", "face", partial(TimmFace, "resnet18.a1_in1k", size=96), GREY_48,
        source="system D: He et al. 2016, arXiv 1512.03385", licence=TIMM, labels=FOUR,
        claim="73 % top-1 on four labels of FER-2013",
        recipe=Recipe(epochs=40, batch_size=128, lr=1e-3, patience=10), finetuning=TWO_PHASES,
        weights=_imagenet("resnet18.a1_in1k"), tiny={"size": 32},
    ),
    Entry(
        "resnet50", "face", partial(TimmFace, "resnet50.a1_in1k", size=224), Input(size=224, channels=3),
        source="system E: He et al. 2016, arXiv 1512.03385", licence=TIMM, labels=CREMA_D,
        recipe=Recipe(epochs=40, batch_size=64, lr=1e-3), finetuning=TWO_PHASES,
        weights=_imagenet("resnet50.a1_in1k"), tiny={"size": 32},
    ),
    Entry(
        "mobilenetv3", "face", partial(TimmFace, "mobilenetv3_large_100.ra_in1k", size=96), GREY_48,
        source="system B: Howard et al. 2019, arXiv 1905.02244", licence=TIMM, recipe=FER, finetuning=TWO_PHASES,
        weights=_imagenet("mobilenetv3_large_100.ra_in1k"), tiny={"size": 32},
    ),
    Entry(
        "mobilevit_xxs", "face", partial(TimmFace, "mobilevit_xxs.cvnets_in1k", size=256),
        Input(size=256, channels=3), source="system A: Mehta & Rastegari 2022, arXiv 2110.02178", licence=MOBILEVIT,
        claim="65 % top-1 on AffectNet", labels=AFFECTNET,
        recipe=Recipe(epochs=60, batch_size=128, lr=2e-3), finetuning=TWO_PHASES,
        weights=_imagenet("mobilevit_xxs.cvnets_in1k", APPLE),
        tiny={"size": 32},
    ),
    Entry(
        "efficientnet_b2", "face", partial(TimmFace, "tf_efficientnet_b2.ns_jft_in1k", size=260),
        Input(size=260, channels=3), source="system B: as HSEmotion's enet_b2, doi:10.1109/TAFFC.2022.3188390",
        licence=TIMM, labels=AFFECTNET, recipe=Recipe(epochs=40, batch_size=64, lr=1e-3), finetuning=TWO_PHASES,
        weights=_imagenet("tf_efficientnet_b2.ns_jft_in1k", data="ImageNet-1k and unlabelled JFT-300M"),
        tiny={"size": 32},
    ),
)  # fmt: skip

VOICES: Final = (
    Entry(
        "audio_bilstm", "voice", AudioBiLSTM, WAVEFORM, source="this project; system B's MFCC and BiLSTM",
        licence=OURS, recipe=SPEECH, tiny={"channels": 32, "hidden": 32},
    ),
    Entry(
        "cnn_mfcc", "voice", CnnMfcc, WAVEFORM, source="system C: many published desktop programs", licence=OURS,
        claim="up to 95 % on RAVDESS: with clips of the same speakers in training",
        recipe=Recipe(epochs=60, batch_size=64, lr=2e-3, ema_decay=0.995, patience=15),
    ),
    Entry(
        "mobilevit_xs", "voice", SpectrogramVit, WAVEFORM,
        source="system A: Mehta & Rastegari 2022, arXiv 2110.02178", licence=MOBILEVIT, claim="50 % top-1 on MELD",
        recipe=Recipe(epochs=60, batch_size=64, lr=2e-3, ema_decay=0.995, patience=15), finetuning=TWO_PHASES,
        weights=_imagenet("mobilevit_xs.cvnets_in1k", APPLE),
        tiny={"width": 128},
    ),
    Entry(
        "wav2vec2", "voice", Wav2Vec2, WAVEFORM, source="system E: Baevski et al. 2020, arXiv 2006.11477",
        licence="Apache-2.0 (transformers)", labels=CREMA_D,
        recipe=Recipe(epochs=60, batch_size=32, lr=5e-4, ema_decay=0.995, patience=15),
        finetuning=(Recipe(epochs=3, batch_size=32, lr=1e-3), Recipe(epochs=20, batch_size=16, lr=3e-5)),
        weights=Weights(REPOSITORY, "Apache-2.0", "LibriSpeech, without its transcripts"),
        tiny={"size": "small"},
    ),
    Entry(
        "res_lstm", "voice", ResLstm, WAVEFORM,
        source="ResLSTM-SA: Krasnoproshin & Vashkevich 2026, arXiv 2606.03359", licence=OURS, labels=RAVDESS,
        claim="62.3 % UAR on RAVDESS, whole clips, speakers unseen, eight labels",
        recipe=Recipe(epochs=100, batch_size=32, lr=1e-3, ema_decay=0.995, mixup=0.0, patience=25),
    ),
)  # fmt: skip
