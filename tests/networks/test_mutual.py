import torch
from one_shot_scene import scene
from small_embedding import small_net

from monai_landmarks.codecs.similarity import SimilarityCodec, bidirectional_match
from monai_landmarks.networks.mutual import MutualOneShotNet, template_network
from monai_landmarks.networks.one_shot import LOWEST, OneShotNet

POINTS = torch.tensor([[40.25, 50.0], [80.0, 61.5], [torch.nan, torch.nan]])


def mutual(**settings):
    torch.manual_seed(0)
    net = template_network(small_net(**settings), 3, {"size": [128, 160], "count": 3, "separation": 6}).eval()
    image = scene(128, 160)
    net.set_template(image, POINTS)
    return net, image


def test_a_query_that_is_the_template_gives_its_points():
    for settings in ({}, {"landmarks": 3, "adapter_channels": 2}):
        net, image = mutual(**settings)
        assert isinstance(net, MutualOneShotNet)
        with torch.no_grad():
            found = SimilarityCodec().decode(net(image))
        assert (found.points[0, :2] - POINTS[:2]).abs().amax() <= 1
        assert found.presence[0, :2].tolist() == [1, 1]
        assert found.presence[0, 2].isnan()


def test_the_chosen_candidate_is_that_of_the_codecs_match():
    net, image = mutual()
    query = image.flip(-1) ** 1.5
    with torch.no_grad():
        plain = OneShotNet.logits(net, query, range(3))
        logits = net(query)
        match = bidirectional_match(net.embedding(query), net.embedding(image), POINTS, 3, 6)
    kept = logits > LOWEST
    assert torch.equal(logits[kept], plain[kept])
    rows, columns = kept[0, 0].nonzero().unbind(1)
    assert (rows - match.points[0, 0, 0]).abs().amax() <= 6
    assert (columns - match.points[0, 0, 1]).abs().amax() <= 6


def test_without_matching_it_is_the_plain_network_and_the_template_travels_with_the_weights():
    assert type(template_network(small_net(), 3, None)) is OneShotNet
    net, image = mutual()
    other = template_network(small_net(), 3, {"size": [128, 160], "count": 3, "separation": 6}).eval()
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(other(image), net(image))
