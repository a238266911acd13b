import pytest
import torch
import torch.nn.functional as F

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.vgg import Vgg19Encoder

# torchvision's vgg19: which of its `features` are convolutions, and their channels.
PUBLISHED = {
    **{0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)},
    **dict.fromkeys((12, 14, 16), (256, 256)),
    **{19: (512, 256)},
    **dict.fromkeys((21, 23, 25, 28, 30, 32, 34), (512, 512)),
}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Vgg19Encoder().eval()


def small_net(weights):
    return EmbeddingNet("vgg19", weights, decoder_channels=(8, 8, 8, 8), embedding=4)


def test_the_keys_and_shapes_are_torchvisions(encoder):
    expected = {f"features.{n}.weight": (*channels, 3, 3) for n, channels in PUBLISHED.items()}
    expected |= {f"features.{n}.bias": channels[:1] for n, channels in PUBLISHED.items()}
    assert {key: tuple(value.shape) for key, value in encoder.state_dict().items()} == expected


def test_a_tap_follows_each_pool(encoder):
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        taps = encoder(image)
        first, second = encoder.features[0], encoder.features[2]
        expected = F.max_pool2d(second(first(image).relu()).relu(), 2)
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (64, 32, 48),
        (128, 16, 24),
        (256, 8, 12),
        (512, 4, 6),
        (512, 2, 3),
    ]
    assert torch.equal(taps[0], expected)


def test_the_published_file_loads_and_its_classifier_is_left_out(encoder, tmp_path):
    published = {**encoder.state_dict(), "classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}
    torch.save(published, tmp_path / "vgg19.pth")
    net = small_net(tmp_path / "vgg19.pth")
    assert all(torch.equal(value, published[key]) for key, value in net.encoder.state_dict().items())


def test_missing_and_malformed_files_are_clear_errors(tmp_path):
    where = r"vgg19-dcbb9e9d\.pth at https://download\.pytorch\.org"
    with pytest.raises(ConfigError, match=rf"no file .*nothing\.pth; give a state dict's path .*{where}"):
        small_net(tmp_path / "nothing.pth")
    with pytest.raises(ConfigError, match=rf"no package ships weights for vgg19.*{where}"):
        small_net("package")
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    with pytest.raises(ConfigError, match=r"page\.pth is not a state dict"):
        small_net(tmp_path / "page.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(ConfigError, match=r"tensor\.pth holds a Tensor"):
        small_net(tmp_path / "tensor.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"other\.pth do not fit the Vgg19Encoder: 31 missing"):
        small_net(tmp_path / "other.pth")
