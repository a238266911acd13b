import pytest
import torch
import torch.nn.functional as F
from small_embedding import settled, small_net

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import STRIDES, EmbeddingNet


def numbers(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))


def test_embeddings_at_five_strides_of_length_one(image):
    with torch.no_grad():
        maps = small_net(landmarks=2, adapter_channels=3)(image, 1)
    assert [tuple(scale.shape) for scale in maps] == [(2, 5, 64 // s, 96 // s) for s in STRIDES]
    assert all(torch.allclose(scale.norm(dim=1), torch.ones(1), atol=1e-5) for scale in maps)


def test_published_parameter_counts():
    """He et al.: 38.07 M shared, 0.44 M an adapter, 46.4 M for 19, 20.0 M frozen; 19 separate decoders 721.7 M."""
    with torch.device("meta"):
        plain = EmbeddingNet("vgg19")
        adapted = EmbeddingNet("vgg19", landmarks=19, adapter_channels=16)
    assert numbers(plain.encoder) == 20_024_384
    assert 19 * numbers(plain.shared, plain.heads) == 721_699_648
    assert numbers(adapted.shared, adapted.heads) == 38_066_112
    assert {numbers(adapter) for adapter in adapted.adapters} == {440_096}
    assert numbers(adapted) - numbers(adapted.encoder) == 46_427_936


def reference(state, taps):
    """CC2D's decoder, written down once more, without adapters; statistics as noted."""

    def conv(key, x, **options):
        return F.conv2d(x, state[f"{key}.weight"], state.get(f"{key}.bias"), **options)

    def norm(key, x):
        noted = [state[f"{key}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *noted, training=False)

    def block(key, x):
        def conv_norm(name, y, **options):
            return norm(f"{key}.{name}.1", conv(f"{key}.{name}.0", y, **options))

        parts = [conv_norm("branches.0", x)]
        for number, reach in ((1, 3), (2, 5), (3, 7)):
            y = conv_norm(f"branches.{number}.0", x)
            y = conv_norm(f"branches.{number}.1", y, padding=(0, reach // 2))
            y = conv_norm(f"branches.{number}.2", y, padding=(reach // 2, 0))
            parts.append(conv_norm(f"branches.{number}.3", y, padding=reach, dilation=reach))
        return F.relu(conv_norm("joined", torch.cat(parts, 1), padding=1) + conv_norm("residual", x))

    scales = [taps[0]]
    for level in range(4):
        up = F.interpolate(scales[-1], scale_factor=2.0, mode="bilinear", align_corners=False)
        x = torch.cat((up, taps[level + 1]), 1)
        for first in (0, 3):
            key = f"shared.levels.{level}"
            x = F.relu(norm(f"{key}.{first + 1}", conv(f"{key}.{first}", x, padding=1)))
        scales.append(x)
    for scale in range(3):
        scales[scale] = block(f"shared.fields.{scale}", scales[scale])
    return [F.normalize(conv(f"heads.{scale}", x), dim=1) for scale, x in enumerate(scales)]


def with_statistics(net, image):
    """The net with statistics other than 0 and 1, in eval mode; each adapter's are its own."""
    return settled(net, lambda: [net(image, landmark) for landmark in range(max(1, len(net.adapters)))])


def test_no_adapter_channels_is_the_plain_decoder_bit_for_bit(image):
    net = with_statistics(small_net(landmarks=19, adapter_channels=0), image)
    with torch.no_grad():
        expected = reference(net.state_dict(), net.encode(image))
        for landmark in (None, 7):
            assert all(torch.equal(a, b) for a, b in zip(net(image, landmark), expected))
    assert numbers(net.adapters) == 0
    plain = small_net().state_dict()
    drawn = small_net(landmarks=19, adapter_channels=0).state_dict()
    assert plain.keys() == drawn.keys()
    assert all(torch.equal(plain[key], drawn[key]) for key in plain)


def test_without_an_active_adapter_the_shared_weights_are_a_plain_decoder(image):
    net = with_statistics(small_net(landmarks=2, adapter_channels=3), image)
    state = net.state_dict()
    # The adapters' channels come after the level's own: what is multiplied with their zeros can be left out.
    for level, own in ((1, 12), (2, 10), (3, 8)):
        key = f"shared.levels.{level}.0.weight"
        state[key] = torch.cat((state[key][:, :own], state[key][:, own + 3 :]), 1)
    for scale, own in ((1, 12), (2, 10)):
        for name in ("branches.0.0", *(f"branches.{branch}.0.0" for branch in (1, 2, 3)), "residual.0"):
            key = f"shared.fields.{scale}.{name}.weight"
            state[key] = state[key][:, :own]
    for scale, own in enumerate((320, 12, 10, 8, 6)):
        state[f"heads.{scale}.weight"] = state[f"heads.{scale}.weight"][:, :own]
    with torch.no_grad():
        expected = reference(state, net.encode(image))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(net(image), expected))


def test_each_adapter_matters_at_every_scale(image):
    net = with_statistics(small_net(landmarks=3, adapter_channels=3), image)
    with torch.no_grad():
        passes = [net(image, landmark) for landmark in (None, 0, 2)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert all((a - b).abs().amax() > 1e-3 for a, b in zip(passes[one], passes[other]))


def test_an_inactive_adapter_gets_no_gradient(image):
    net = small_net(landmarks=3, adapter_channels=3).train()
    maps = net(image, 1)
    sum((scale * torch.linspace(-1, 1, 5).view(5, 1, 1)).sum() for scale in maps).backward()
    assert all(parameter.grad is None for k in (0, 2) for parameter in net.adapters[k].parameters())
    assert all(parameter.grad is None for parameter in net.encoder.parameters())
    for module in (net.adapters[1], net.shared, net.heads):
        assert all(parameter.grad is not None for parameter in module.parameters())
        assert any(parameter.grad.abs().amax() > 0 for parameter in module.parameters())


def test_adapters_have_statistics_of_their_own(image):
    net = small_net(landmarks=2, adapter_channels=3).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net(image, 0)
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    statistics = {key for key in before if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed == {key for key in statistics if key.startswith(("shared.", "adapters.0."))}


def test_a_frozen_encoder_keeps_its_statistics_and_weights(image):
    net = EmbeddingNet(decoder_channels=(8, 8, 8, 8)).train()
    assert not net.encoder.training
    assert net.shared.training
    before = {key: value.clone() for key, value in net.encoder.state_dict().items()}
    net(image)
    assert all(torch.equal(value, before[key]) for key, value in net.encoder.state_dict().items())
    free = EmbeddingNet(decoder_channels=(8, 8, 8, 8), frozen=False).train()
    assert free.encoder.training
    free(image)[0].sum().backward()
    assert free.encoder._conv_stem.weight.grad is not None
    assert not free.eval().encoder.training


def test_the_encoder_sees_what_it_was_trained_on(image):
    net = EmbeddingNet(decoder_channels=(8, 8, 8, 8)).eval()
    with torch.no_grad():
        taps = net.encode(image)
        expected = net.encoder(((255 * image - 127) / 128).expand(-1, 3, -1, -1))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(taps, reversed(expected)))


def test_settings_that_make_no_network_are_clear_errors():
    with pytest.raises(ConfigError, match="encoder 'resnet18': choose efficientnet-lite0 or vgg19"):
        EmbeddingNet("resnet18")
    with pytest.raises(ConfigError, match=r"decoder_channels \[8, 8\]: give 4"):
        EmbeddingNet(decoder_channels=(8, 8))
    with pytest.raises(ConfigError, match="adapter_channels without landmarks"):
        EmbeddingNet(adapter_channels=4)
