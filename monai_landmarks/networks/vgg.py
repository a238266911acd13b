"""VGG19's convolutions, the encoder of CC2D. Nothing here downloads."""

from __future__ import annotations

from torch import Tensor, nn

VGG19 = "vgg19"
# Channels of the convolutions between the pools: configuration E of Simonyan and Zisserman, arXiv 1409.1556.
STAGES = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


class Vgg19Encoder(nn.Module):
    """VGG19 without batch normalisation and without its classifier, with a tap after each of the five pools.

    The state dict's keys are those torchvision publishes (`features.0.weight` ... `features.34.bias`), so that its
    vgg19-dcbb9e9d.pth loads as it is; the `classifier.` keys in it are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for stage in STAGES:
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, rows, columns), ImageNet's normalisation, to 64, 128, 256, 512, 512 channels at strides 2 to 32."""
        taps = []
        features = image
        for layer in self.features:
            features = layer(features)
            if isinstance(layer, nn.MaxPool2d):
                taps.append(features)
        return taps
