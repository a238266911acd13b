"""The one-shot network as SAM compares: the mean of a global and a local cosine."""

import pytest
import torch
import torch.nn.functional as F
from one_shot_scene import answer, cut, looking_net, scene
from small_embedding import small_net

from monai_landmarks.codecs.likelihood import Similarity
from monai_landmarks.codecs.similarity import SimilarityCodec
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.mutual import template_network
from monai_landmarks.networks.one_shot import FLOOR, LOWEST, MeanOfCosines, OneShotNet, similarity_logits
from monai_landmarks.networks.pair import start_from
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.model_settings import OneShotArguments

SAM = {"mean_of": (16, 2)}
NAN = float("nan")
ADAPTED = {"landmarks": 3, "adapter_channels": 2}


@pytest.fixture(scope="module", params=[0, 4], ids=["plain", "adapters"])
def network(request, world, points):
    return looking_net(world, points, adapter_channels=request.param, **SAM)


def test_a_query_that_is_the_template_gives_its_points(network, world, points):
    # Half a cell of the fine stride is a pixel.
    assert (answer(network, cut(world)) - points).abs().amax() <= 1
    with torch.no_grad():
        similarity = network(cut(world)).exp().amax((-2, -1))
    # The answer is a pixel; its centre is up to half of one off, a thirty-second of a coarse cell.
    assert similarity.amin() > 0.9
    assert similarity.amax() <= 1


@pytest.mark.parametrize("move", [(32, 0), (-32, 32), (16, -16)])
def test_a_shift_of_the_query_shifts_the_answer(network, world, points, move):
    moved = points + torch.tensor(move)
    assert (answer(network, cut(world, *move)) - moved).norm(dim=1).median() <= 1


def test_the_logits_are_the_logarithm_of_the_mean():
    generator = torch.Generator().manual_seed(0)
    strides = (16, 2)
    maps = [F.normalize(torch.randn(2, 4, 64 // s, 96 // s, generator=generator), dim=1) for s in strides]
    wanted = [F.normalize(torch.randn(3, 4, generator=generator), dim=1) for _ in strides]
    wanted = [torch.cat((own, torch.zeros(1, 4))) for own in wanted]
    total = torch.zeros(2, 3, 64, 96)
    for scale, descriptor in zip(maps, wanted):
        cosine = torch.einsum("behw,ne->bnhw", scale, descriptor[:3]).clamp(0, 1)
        total += F.interpolate(cosine, size=(64, 96), mode="bilinear", align_corners=False).clamp(FLOOR)
    logits = similarity_logits(maps, wanted, torch.zeros(2, 4, 2), MeanOfCosines(strides))
    assert torch.allclose(logits[:, :3].exp(), total / 2, rtol=1e-4)
    # Without a descriptor it is what the product has for it, and the codec does not look for it.
    assert torch.allclose(logits[:, 3], torch.tensor(LOWEST))
    assert Similarity().presence(logits).tolist() == [[1, 1, 1, 0]] * 2


@pytest.mark.parametrize("settings", [{}, ADAPTED], ids=["plain", "adapters"])
def test_only_what_is_compared_is_computed(settings):
    net, five = small_net(**settings, **SAM), small_net(**settings)
    image = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = net(image, 1)
    assert [tuple(scale.shape) for scale in maps] == [(2, 5, 4, 6), (2, 5, 32, 48)]
    assert all(torch.allclose(scale.norm(dim=1), torch.ones(1), atol=1e-5) for scale in maps)
    # The same decoder; of heads and receptive field blocks those of strides 16 and 2.
    own, whole = net.state_dict(), five.state_dict()
    assert {key for key in own if key.startswith("heads.")} == {
        f"heads.{n}.{w}" for n in (1, 4) for w in ("weight", "bias")
    }
    assert {key for key in own if ".levels." in key} == {key for key in whole if ".levels." in key}
    assert len(net.shared.fields) == 1
    net.train()
    sum(scale.sum() for scale in net(image, 1)).backward()
    unused = [name for name, value in net.named_parameters() if value.requires_grad and value.grad is None]
    assert all(name.startswith(("adapters.0", "adapters.2")) for name in unused)


def test_with_the_weights_of_five_scales_both_embeddings_are_theirs():
    """The head of stride 2 alone is the same function; with its receptive field block so is that of stride 16."""
    net, five = small_net(**SAM), small_net()
    given = five.state_dict()
    renamed = {key: given[key.replace(".fields.0.", ".fields.1.")] for key in net.state_dict()}
    net.load_state_dict(renamed)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps, expected = net(image), five(image)
    assert torch.equal(maps[0], expected[1])
    assert torch.equal(maps[1], expected[4])


def test_a_landmark_without_a_template_point_is_nowhere():
    net = OneShotNet(small_net(**SAM), 3).eval()
    image = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(net(image), torch.tensor(LOWEST))
        net.set_template(image, torch.tensor([[10.0, 20.0], [NAN, NAN], [40.0, 50.0]]))
        decoded = SimilarityCodec().decode(net(image))
    assert decoded.points[0, 1].isnan().all()
    assert decoded.presence[0, [0, 2]].tolist() == [1, 1]


def test_settings_lead_to_the_same_network():
    settings = {"encoder": "efficientnet-lite0", "frozen": True, "decoder_channels": [8, 8, 8, 8], "embedding": 8}
    settings |= {"landmarks": 0, "adapter_channels": 0}
    for own in ({}, {"mean_of": [16, 2]}):
        known = OneShotArguments(**settings, **own).model_dump()
        net = network_from({"one_shot": known, "decoder": {}}, 2)
        assert net.embedding.strides == ((16, 2) if own else (32, 16, 8, 4, 2))
        assert net.state_dict().keys() == network_from({"one_shot": {**settings, **own}}, 2).state_dict().keys()


@pytest.mark.parametrize("strides", [(2, 16), (16, 4), (16, 16, 2), (10, 2), ()])
def test_strides_that_cannot_be(strides):
    with pytest.raises(ConfigError, match=r"give some of \[32, 16, 8, 4, 2\], in this order, the last among them"):
        EmbeddingNet(mean_of=strides)


@pytest.mark.parametrize(("one", "other"), [(SAM, {}), ({}, SAM), (SAM, {"mean_of": (8, 2)})])
def test_weights_for_another_comparison_are_refused(tmp_path, one, other):
    channels = {"decoder_channels": (8, 8, 8, 8)}
    torch.save(OneShotNet(small_net(**channels, **one), 3).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"does not fit this network .*sam.yaml where that one had it"):
        start_from(OneShotNet(small_net(**channels, **other), 3), tmp_path / "model.pt")


def test_adapters_start_from_a_network_without(tmp_path):
    plain = OneShotNet(small_net(**SAM), 3)
    image = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    plain.set_template(image, torch.tensor([[10.0, 20.0], [NAN, NAN], [40.0, 50.0]]))
    with torch.no_grad():
        before = plain.eval().embedding(image)
    adapted = OneShotNet(small_net(**ADAPTED, **SAM), 3)
    torch.save(plain.state_dict(), tmp_path / "model.pt")
    start_from(adapted, tmp_path / "model.pt")
    with torch.no_grad():
        after = adapted.eval().embedding(image, 1)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(after, before))


def test_mutual_matches_are_compared_in_the_same_way():
    net = template_network(small_net(**SAM), 3, {"size": [128, 160], "count": 3, "separation": 6}).eval()
    # The middles of pixels: this network, which has not learnt, finds most places nearly alike.
    image, points = scene(128, 160), torch.tensor([[40.0, 50.0], [80.0, 61.0], [NAN, NAN]])
    net.set_template(image, points)
    with torch.no_grad():
        found = SimilarityCodec().decode(net(image))
    assert (found.points[0, :2] - points[:2]).abs().amax() <= 1
    assert found.presence[0, 2].isnan()


@pytest.mark.parametrize("name", ["torchscript", *(pytest.param(n, marks=pytest.mark.slow) for n in ("onnx", "pt2"))])
@pytest.mark.parametrize("settings", [{}, ADAPTED], ids=["plain", "adapters"])
def test_it_is_exported_for_any_batch_and_size(tmp_path, name, settings):
    net = OneShotNet(small_net(**settings, **SAM), 3).eval()
    image = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    net.set_template(image, torch.tensor([[10.0, 20.0], [NAN, NAN], [41.0, 70.3]]))
    FORMATS[name].write(net, tmp_path / "model", "0" * 64)
    again = FORMATS[name].read(tmp_path / "model", "0" * 64)
    for size in ((3, 1, 64, 160), (1, 1, 128, 64)):
        image = torch.rand(size, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            assert torch.allclose(again(image), net(image), atol=4e-4)
