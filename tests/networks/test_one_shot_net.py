import pytest
import torch
import torch.nn.functional as F
from one_shot_memory import TARGET_MB, measured
from one_shot_scene import answer, cut, looking_net
from small_embedding import small_net
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import STRIDES, EmbeddingNet
from monai_landmarks.networks.one_shot import (
    FLOOR,
    LOWEST,
    OneShotNet,
    descriptors_at,
    offsets_at,
    similarity_logits,
)
from monai_landmarks.sharing.export_formats import FORMATS

NAN = float("nan")


@pytest.fixture(scope="module", params=[0, 4], ids=["plain", "adapters"])
def network(request, world, points):
    return looking_net(world, points, adapter_channels=request.param)


@pytest.fixture(scope="module")
def small():
    """A network of few channels without a template, and an image."""
    return OneShotNet(small_net(), 3).eval(), torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(1))


def test_a_query_that_is_the_template_gives_its_points(network, world, points):
    # Half a cell of the finest scale is a pixel.
    assert (answer(network, cut(world)) - points).abs().amax() <= STRIDES[-1] / 2
    with torch.no_grad():
        similarity = network(cut(world)).exp().amax((-2, -1))
    assert similarity.amin() > 0.5
    assert similarity.amax() <= 1


@pytest.mark.parametrize("move", [(32, 0), (-32, 32), (8, -8)])
def test_a_shift_by_whole_cells_shifts_the_answer(network, world, points, move):
    moved = points + torch.tensor(move)
    assert (answer(network, cut(world, *move)) - moved).abs().amax() <= STRIDES[-1] / 2


@pytest.mark.parametrize("move", [(3, 5), (1, 0)])
def test_any_other_shift_does_so_nearly(network, world, points, move):
    off = (answer(network, cut(world, *move)) - points - torch.tensor(move)).norm(dim=1)
    assert off.median() <= STRIDES[-1]


def test_the_logits_are_the_product_of_five_cosine_maps():
    generator = torch.Generator().manual_seed(0)
    maps = [F.normalize(torch.randn(2, 4, 64 // s, 96 // s, generator=generator), dim=1) for s in STRIDES]
    wanted = [F.normalize(torch.randn(3, 4, generator=generator), dim=1) for _ in STRIDES]
    product = torch.ones(2, 3, 64, 96)
    for scale, descriptor in zip(maps, wanted):
        cosine = torch.einsum("behw,ne->bnhw", scale, descriptor).clamp(0, 1)
        product *= F.interpolate(cosine, size=(64, 96), mode="bilinear", align_corners=False).clamp(FLOOR)
    logits = similarity_logits(maps, wanted, torch.zeros(5, 3, 2))
    assert torch.allclose(logits.exp(), product, rtol=1e-3)
    # An answer a pixel further down and two to the left in its cell.
    moved = similarity_logits(maps, wanted, torch.tensor([1.0, -2.0]).expand(5, 3, 2))
    assert torch.allclose(moved[..., 1:, :-2], logits[..., :-1, 2:], atol=1e-3)


def test_similarities_are_compared_in_float32_whatever_the_embeddings_were_computed_in():
    torch.manual_seed(0)
    maps = [F.normalize(torch.randn(1, 4, 64 // stride, 96 // stride), dim=1) for stride in STRIDES]
    points = torch.tensor([[40.0, 50.0], [10.3, 20.7]])
    given = maps, descriptors_at(maps, points), offsets_at(points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = similarity_logits(*given)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, similarity_logits(*given))


def test_descriptors_are_those_of_the_cell_that_holds_the_point():
    maps = [torch.arange(64 // s * 96 // s, dtype=torch.float).view(1, 1, 64 // s, 96 // s) for s in STRIDES]
    points = torch.tensor([[31.49, 95.49], [31.5, 0.0], [NAN, NAN], [-0.5, -0.5]])
    found = torch.stack([values[:, 0] for values in descriptors_at(maps, points)])
    assert found[:, 0].tolist() == [0 + 2, 6 + 5, 3 * 12 + 11, 7 * 24 + 23, 15 * 48 + 47]
    assert found[:, 1].tolist() == [3, 12, 48, 192, 768]
    assert found[:, 2:].eq(0).all()
    expected = torch.tensor([[0.99, 0.99], [-1, -0.5], [0, 0], [-1, -1]])
    assert torch.allclose(offsets_at(points)[-1], expected, atol=1e-4)
    assert offsets_at(points)[0, 1].tolist() == [-16, -15.5]


def test_a_landmark_without_a_template_point_is_nowhere(small):
    net, image = small
    with torch.no_grad():
        assert torch.allclose(net(image), torch.tensor(LOWEST))
        net.set_template(image, torch.tensor([[10.0, 20.0], [NAN, NAN], [40.0, 50.0]]))
        logits = net(image)
        assert torch.allclose(logits[:, 1], torch.tensor(LOWEST))
        present = logits[0, [0, 2]].clone()
        net.set_template(image, torch.tensor([[10.0, 20.0], [30.0, 60.0], [40.0, 50.0]]))
        assert torch.equal(net(image)[0, [0, 2]], present)
    assert present.amax() > -2.0


def test_the_template_travels_as_descriptors_only(small):
    net, image = small
    net.set_template(image, torch.tensor([[10.0, 20.0], [NAN, NAN], [40.0, 50.0]]))
    again = OneShotNet(small_net(), 3).eval()
    own = again.state_dict().keys() - again.embedding.state_dict(prefix="embedding.").keys()
    assert own == {"template_0", "template_1", "template_2", "template_3", "template_4", "template_offsets"}
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(again(image), net(image))


def test_taking_a_template_changes_neither_statistics_nor_mode(small):
    image = small[1]
    net = OneShotNet(small_net(landmarks=3, adapter_channels=2), 3).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net.set_template(image, torch.tensor([[10.0, 20.0], [30.0, 60.0], [40.0, 50.0]]))
    assert net.training
    assert not net.embedding.encoder.training
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {key for key in before if key.startswith("template_")}


def test_templates_that_do_not_fit_are_clear_errors(small):
    net, image = small
    inside = [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(ConfigError, match=r"landmark 3 at row 63\.5, column 4 lies outside the image of 64 x 96"):
        net.set_template(image, torch.tensor([*inside, [63.5, 4.0]]))
    with pytest.raises(ConfigError, match=r"landmark 1 at row -1, column 4"):
        net.set_template(image, torch.tensor([[-1.0, 4.0], *inside]))
    with pytest.raises(ConfigError, match=r"give one image and 3 points, not 1 and \(2, 2\)"):
        net.set_template(image, torch.tensor(inside))
    with pytest.raises(ConfigError, match="give one image and 3 points, not 2"):
        net.set_template(image.expand(2, -1, -1, -1), torch.zeros(3, 2))
    with pytest.raises(ConfigError, match="adapters for 2 landmarks, the scheme 3"):
        OneShotNet(small_net(landmarks=2, adapter_channels=2), 3)


def test_the_encoder_runs_once_and_no_embedding_is_brought_to_full_size(small):
    net, image = OneShotNet(small_net(landmarks=3, adapter_channels=2), 3).eval(), small[1]
    runs, largest = [], []
    net.embedding.encoder.register_forward_hook(lambda *_: runs.append(1))
    with torch.no_grad(), Largest(largest):
        net(image)
    assert len(runs) == 1
    # The input of the level at stride 2, more than anything at full size: 3 logit maps, the grey image three times.
    assert max(largest) == (8 + 2 + 16) * (64 // 2) * (96 // 2)


class Largest(TorchDispatchMode):
    """Notes the size of every tensor that an operation makes."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.sizes += [value.numel() for value in tree_leaves(result) if isinstance(value, torch.Tensor)]
        return result


def exported_as_it_is(net, name, folder):
    """Whether the file gives what the network gives, for batches and sizes it was not written with."""
    FORMATS[name].write(net, folder / "model", "0" * 64)
    again = FORMATS[name].read(folder / "model", "0" * 64)
    images = [torch.rand(size) for size in ((3, 1, 64, 160), (1, 1, 128, 64))]
    with torch.no_grad():
        return all(torch.allclose(again(image), net(image), atol=1e-3) for image in images)


@pytest.mark.parametrize("name", ["torchscript", pytest.param("onnx", marks=pytest.mark.slow)])
@pytest.mark.parametrize("adapter_channels", [0, 2])
def test_it_is_exported_for_any_batch_and_size(small, tmp_path, name, adapter_channels):
    net = OneShotNet(small_net(landmarks=2, adapter_channels=adapter_channels), 2).eval()
    net.set_template(small[1], torch.tensor([[10.0, 20.0], [41.0, 70.3]]))
    assert exported_as_it_is(net, name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["efficientnet-lite0", "vgg19"])
def test_so_it_is_behind_its_encoders(small, tmp_path, encoder):
    net = OneShotNet(EmbeddingNet(encoder, decoder_channels=(16, 16, 16, 16)), 2).eval()
    net.set_template(small[1], torch.tensor([[10.0, 20.0], [41.0, 70.3]]))
    assert exported_as_it_is(net, "onnx", tmp_path)


@pytest.mark.slow
def test_a_query_stays_below_two_gigabytes():
    row = measured({"encoder": "efficientnet-lite0", "adapter_channels": 16}, size=384, landmarks=19)
    assert row["loaded_mb"] < row["peak_mb"] < TARGET_MB
