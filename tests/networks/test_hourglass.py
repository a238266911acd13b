import pytest
import torch
from torch import nn

from monai_landmarks.codecs.soft_argmax import soft_argmax
from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.coordinate import CoordinateLoss, Wing
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.hourglass import OUTPUT, HmpBlock, Hourglass, HourglassNet
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import TOLERANCE, _export, probes


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def hmp_parameters(n, m):
    """3x3 convolutions to m/2, m/4 and the rest, two numbers of batch normalisation a channel; a skip if n != m."""
    half, quarter = m // 2, m // 4
    rest = m - half - quarter
    skip = n * m + 2 * m if n != m else 0
    return 9 * (n * half + half * quarter + quarter * rest) + 2 * m + skip


def bottleneck_parameters(n, m):
    half = m // 2
    skip = n * m + 2 * m if n != m else 0
    return n * half + 9 * half * half + half * m + 2 * (half + half + m) + skip


def hourglass_parameters(block, depth, n, width, out):
    below = hourglass_parameters(block, depth - 1, width, width, out) if depth > 1 else block(width, out)
    lower = block(n, width) + 2 * block(width, width) + below + block(out, out)
    return lower + block(n, width) + block(width, width) + block(width, out)


def net_parameters(block, w, depth, landmarks):
    entry = 49 * w + 2 * w + block(w, 2 * w) + 2 * block(2 * w, 2 * w) + block(2 * w, 4 * w)
    mixing = (8 * w) ** 2 + 2 * 8 * w + 8 * w * 4 * w + 2 * 4 * w
    return entry + hourglass_parameters(block, depth, 4 * w, 4 * w, 8 * w) + mixing + (8 * w + 1) * landmarks


def test_the_published_networks_parameters():
    """97 for each published map, whose bias moves no soft-argmax; here 96, and 97 for its presence."""
    assert parameters(HourglassNet(16)) == net_parameters(hmp_parameters, 24, 4, 16) == 3_019_048 + 16 * 96
    assert parameters(HourglassNet(1)) == 3_017_496 + 96 + 97


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"block": "bottleneck"}, net_parameters(bottleneck_parameters, 24, 4, 16)),
        ({"width": 16}, net_parameters(hmp_parameters, 16, 4, 16)),
        ({"width": 10, "depth": 2}, net_parameters(hmp_parameters, 10, 2, 16)),
    ],
)
def test_the_parameters_of_others(settings, expected):
    assert parameters(HourglassNet(16, **settings)) == expected


def test_the_hmp_block_of_48_to_96():
    block = HmpBlock(48, 96)
    convolutions = [part[0] for part in (block.first, block.second, block.third)]
    assert [conv.out_channels for conv in convolutions] == [48, 24, 24]
    assert [conv.in_channels for conv in convolutions] == [48, 48, 24]
    assert all(conv.kernel_size == (3, 3) for conv in convolutions)
    assert [any(isinstance(layer, nn.ReLU) for layer in part) for part in (block.first, block.second, block.third)] == [
        True,
        True,
        False,
    ]
    assert isinstance(HmpBlock(48, 48).skip, nn.Identity)
    features = torch.rand(2, 48, 5, 7)
    out = block.eval()(features)
    assert out.shape == (2, 96, 5, 7)
    first = block.first(features)
    assert torch.allclose(out[:, :48], first + block.skip(features)[:, :48])
    assert HmpBlock(5, 7)(features[:, :5]).shape == (2, 7, 5, 7)


def test_a_level_adds_what_the_levels_below_see():
    """With a lower path that answers with its pooled input, the sum is known."""
    level = Hourglass(1, 8, 8, 8, lambda n, m: nn.Identity(), "nearest")
    features = torch.rand(1, 8, 7, 10)
    pooled = nn.functional.max_pool2d(features, 2)
    # Three rows for seven: nearest takes each pooled row for the rows whose share of the height it holds.
    rows = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    expected = features + pooled[:, :, rows].repeat_interleave(2, -1)
    assert torch.equal(level(features), expected)


@pytest.mark.parametrize("block", ["hmp", "bottleneck"])
@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(64, 64), (97, 70), (75, 131)])
def test_any_size_gives_a_quarter(block, upsampling, size):
    network = HourglassNet(3, width=4, block=block, upsampling=upsampling).eval()
    logits = network(torch.rand(2, 1, *size))
    assert logits.shape == (2, 3, *((side + 1) // 2 // 2 for side in size))
    assert torch.isfinite(logits).all()


def test_the_published_input_gives_the_published_maps():
    assert HourglassNet(16, width=2)(torch.rand(1, 1, 450, 450)).shape == (1, 16, 112, 112)


def test_one_channel_computes_what_three_equal_ones_do():
    network = HourglassNet(2, width=4).eval()
    three = HourglassNet(2, width=4).eval()
    three.load_state_dict(network.state_dict())
    three.entry[0] = nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False)
    kernels = torch.randn(4, 3, 7, 7)
    three.entry[0].weight = nn.Parameter(kernels)
    network.entry[0].weight = nn.Parameter(kernels.sum(1, keepdim=True))
    image = torch.rand(2, 1, 64, 80)
    assert torch.allclose(network(image), three(image.expand(-1, 3, -1, -1)), atol=1e-4)


def test_presence_starts_undecided():
    logits = HourglassNet(16).eval()(torch.rand(1, 1, 448, 448))
    presence = torch.sigmoid(torch.logsumexp(logits.flatten(-2), -1))
    assert torch.allclose(presence, torch.tensor(0.5), atol=1e-5)


def test_presence_and_place_are_learned_apart():
    """A loss of presence moves no map, one of places no presence, but through the features both read."""
    torch.manual_seed(0)
    network = HourglassNet(2, width=4)
    truth = {"network_points": torch.full((2, 2, 2), 30.0), "state": torch.tensor([[1, 2], [1, 1]])}
    logits = network(torch.rand(2, 1, 64, 64))
    presence_only = CoordinateLoss(lambda difference: 0 * difference)
    place_only = CoordinateLoss(Wing(), presence_weight=0)
    heads = [network.output.weight, network.presence.weight]
    place, presence = torch.autograd.grad(presence_only(logits, truth), heads, retain_graph=True)
    # But for rounding, which the images decide.
    assert place.abs().max() < 1e-4 * presence.abs().max()
    place, presence = torch.autograd.grad(place_only(logits, truth), heads)
    assert presence.abs().max() < 1e-4 * place.abs().max()


def test_presence_is_read_where_the_map_lies():
    network = HourglassNet(1, width=4).eval()
    nn.init.normal_(network.presence.weight)
    image = torch.rand(1, 1, 64, 64)
    features = network.mixing(network.hourglass(network.entry((image - network.mean) / network.std)))
    share = torch.softmax(network.output(features).flatten(), 0)
    expected = (share * network.presence(features).flatten()).sum().item()
    assert torch.logsumexp(network(image).flatten(), 0).item() == pytest.approx(expected, abs=1e-4)


def test_intensity_is_taken_from_the_settings():
    image = torch.rand(1, 1, 64, 64)
    plain = HourglassNet(2, width=4, intensity=(0.0, 1.0)).eval()
    other = HourglassNet(2, width=4, intensity=(0.3, 0.2)).eval()
    # The numbers are settings, not weights.
    assert plain.state_dict().keys() == other.state_dict().keys()
    other.load_state_dict(plain.state_dict())
    assert torch.allclose(other(image), plain((image - 0.3) / 0.2), atol=1e-5)


def test_dropout_drops_channels_in_training_only():
    network = HourglassNet(2, width=4, dropout=0.5)
    image = torch.rand(2, 1, 64, 64)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))
    assert sum(isinstance(module, nn.Dropout2d) for module in network.modules()) == 2


def test_every_parameter_learns():
    network = HourglassNet(3, width=4)
    network(torch.rand(2, 1, 64, 96)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_transfer_takes_all_but_the_outputs():
    donor, taker = HourglassNet(1, width=4), HourglassNet(16, width=4)
    before = taker.output.weight.clone()
    with torch.no_grad():
        donor(torch.rand(2, 1, 64, 64))  # moves the running means
    assert taker.transfer_from(donor.state_dict()) == ["output.weight", "presence.weight", "presence.bias"]
    assert torch.equal(taker.output.weight, before)
    given, own = donor.state_dict(), taker.state_dict()
    assert all(torch.equal(own[name], given[name]) for name in own if not name.startswith(OUTPUT))
    # An output of the same shape stays as it is, too.
    same = HourglassNet(1, width=4)
    assert same.transfer_from(donor.state_dict()) == ["output.weight", "presence.weight", "presence.bias"]
    assert not torch.equal(same.output.weight, donor.output.weight)


def test_transfer_names_what_does_not_fit_and_refuses_when_nothing_does():
    shallow, deep = HourglassNet(2, width=4, depth=1), HourglassNet(2, width=4, depth=2)
    left = deep.transfer_from(shallow.state_dict())
    assert "hourglass.lower.4.upper.0.first.0.weight" in left
    assert "entry.0.weight" not in left
    for weights in (HourglassNet(2, width=6).state_dict(), {}, {"other": torch.zeros(2)}):
        with pytest.raises(ConfigError, match="no convolution of these weights fits"):
            deep.transfer_from(weights)


def test_wrong_settings():
    with pytest.raises(ConfigError, match=r"no block 'dense'.*hmp, bottleneck"):
        HourglassNet(2, block="dense")
    with pytest.raises(ConfigError, match="up-sampling 'cubic'"):
        HourglassNet(2, upsampling="cubic")
    for wrong in ({"width": 1}, {"depth": 0}, {"landmarks": 0}, {"dropout": 1.0}, {"intensity": (0.5, 0.0)}):
        with pytest.raises(ConfigError, match=r"width .* must be"):
            HourglassNet(**{"landmarks": 2, **wrong})


def test_settings_rebuild_the_network():
    settings = {"hourglass": {"width": 4, "depth": 2, "block": "bottleneck", "intensity": [0.4, 0.3]}}
    network = network_from(settings, 5)
    assert isinstance(network, HourglassNet)
    assert parameters(network) == net_parameters(bottleneck_parameters, 4, 2, 5)
    assert float(network.mean) == pytest.approx(0.4)


def test_it_learns_where_a_blob_is():
    generator = torch.Generator().manual_seed(0)
    grid = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij"), -1)
    points = torch.rand(8, 1, 2, generator=generator) * 40 + 12
    image = torch.exp(-(grid - points[:, :, None, None]).square().sum(-1) / 32)
    target = {"network_points": points, "state": torch.full((8, 1), State.PRESENT)}
    torch.manual_seed(0)
    network = HourglassNet(1, width=4, depth=2, dropout=0.0)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    loss = CoordinateLoss(Wing())
    for _ in range(40):
        optimiser.zero_grad()
        loss(network(image), target).backward()
        optimiser.step()
    error = (soft_argmax(network(image).detach()) - points).norm(dim=-1)
    assert error.mean() < 3


@pytest.mark.parametrize("name", FORMATS)
def test_every_export_computes_the_same(tmp_path, name):
    network = HourglassNet(3, width=2, depth=1).eval()
    done = _export(network, tmp_path / "model", name, "0" * 64, probes(torch.rand(1, 1, 128, 64)))
    assert done.relative <= TOLERANCE
    again = FORMATS[name].read(done.path, "0" * 64)
    image = torch.rand(3, 1, 64, 192)
    with torch.no_grad():
        assert torch.allclose(again(image), network(image), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_published_network_exports(tmp_path, name, upsampling):
    network = HourglassNet(16, upsampling=upsampling).eval()
    done = _export(network, tmp_path / "model", name, "0" * 64, probes(torch.rand(1, 1, 128, 192)))
    assert done.relative <= TOLERANCE
    again = FORMATS[name].read(done.path, "0" * 64)
    for shape in ((1, 1, 448, 448), (3, 1, 160, 224)):
        image = torch.rand(shape)
        with torch.no_grad():
            expected = network(image)
            assert (again(image) - expected).abs().max() <= TOLERANCE * expected.abs().max()
