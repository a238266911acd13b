import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from monai_landmarks.codecs.similarity import SimilarityCodec
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.loading import SeededDataset
from monai_landmarks.data.one_shot import (
    Copies,
    LandmarkSampler,
    PerLandmark,
    one_landmark,
    one_template,
    template_case,
    template_digest,
    template_items,
)
from monai_landmarks.engines.pseudo_labels import (
    InferPseudoLabels,
    PseudoLabels,
    TemplateHandler,
    find_points,
    pseudo_dataset,
)
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.one_shot import OneShotNet
from monai_landmarks.networks.pair import PairNet, start_from
from monai_landmarks.transforms.pair_batch import PreparePairs

SMALL = {"decoder_channels": (8, 7, 6, 5), "embedding": 4}


def small_net(count=3, **settings):
    return OneShotNet(EmbeddingNet(**{**SMALL, **settings}), count)


def loaded(count=3, size=64):
    """Items as they are after preprocessing, the original twice as large; only the first one's points are known."""
    generator = torch.Generator().manual_seed(0)
    to_original = torch.diag(torch.tensor([2.0, 2.0, 1.0, 1.0], dtype=torch.float64))
    return [
        {
            "image": torch.rand(1, size, size, generator=generator),
            "case_id": f"case{number:02}",
            "network_points": torch.tensor([[10.0, 20.0], [40.5, 33.0], [torch.nan, torch.nan]]),
            "to_original": to_original,
            "size": torch.tensor([2 * size, 2 * size]),
        }
        for number in range(count)
    ]


def test_nothing_but_the_templates_annotation_is_left(blobs):
    dataset = load_dataset(blobs)
    one = one_template(dataset, "case02")
    assert [case.id for case in one.cases if case.annotations] == ["case02"]
    assert [item["case_id"] for item in template_items(one)] == ["case02"]
    assert one.cases[2] == dataset.cases[2]
    # Whatever the others say, the training sees the same data set.
    others = [
        case if case.id == "case02" else case.model_copy(update={"annotations": dataset.cases[0].annotations})
        for case in dataset.cases
    ]
    assert one_template(dataset.model_copy(update={"cases": others}), "case02").digest() == one.digest()


def test_the_templates_digest_tells_templates_apart_and_not_landmarks(blobs):
    whole = load_dataset(blobs)
    one = template_digest(whole, one_template(whole, "case02"))
    middle = one_template(one_landmark(whole, "middle"), "case02")
    assert one == template_digest(whole, middle, earlier={"template": one})
    assert one != template_digest(whole, one_template(whole, "case03"), earlier={})
    with pytest.raises(ConfigError, match=r"another template .*--template CASE_ID"):
        template_digest(whole, one_template(whole, "case03"), earlier={"template": one})


def test_the_default_template_is_the_first_training_case_with_the_most_points(blobs):
    dataset = load_dataset(blobs)
    fewer = dataset.cases[0].annotations[0]
    fewer = fewer.model_copy(update={"points": dict(list(fewer.points.items())[1:])})
    cases = [c.model_copy(update={"annotations": [fewer]}) if c.id == "case00" else c for c in dataset.cases]
    assert template_case(dataset.model_copy(update={"cases": cases})).id == "case01"
    bare = [c.model_copy(update={"annotations": []}) if c.id in ("case00", "case01") else c for c in dataset.cases]
    assert template_case(dataset.model_copy(update={"cases": bare})).id == "case02"
    with pytest.raises(ConfigError, match="template case01: reader mean has placed no point in it"):
        template_case(dataset.model_copy(update={"cases": bare}), "case01")
    with pytest.raises(ConfigError, match="no training case has this id; there are case00"):
        template_case(dataset, "case12")
    without = [case.model_copy(update={"annotations": []}) for case in dataset.cases]
    with pytest.raises(ConfigError, match="annotate one training image"):
        template_case(dataset.model_copy(update={"cases": without}))


def test_one_landmark_is_no_longer_paired(blobs):
    dataset = load_dataset(blobs)
    one = one_landmark(dataset, "bright_left")
    assert one.names == ("bright_left",)
    assert one.scheme.landmarks[0].pair is None
    assert one.scheme.groups == {"bright": ("bright_left",)}
    assert np.array_equal(one.cases[3].points(one.scheme)[0][0], dataset.cases[3].points(dataset.scheme)[0][0])
    assert one_landmark(dataset, None) is dataset
    with pytest.raises(ConfigError, match="landmark nose: the data set has none of this name"):
        one_landmark(dataset, "nose")


def sampler(images=7, landmarks=3, batch_size=2, seed=5):
    items = [{"number": number} for number in range(images)]
    pairs = PerLandmark(items, torch.zeros(images, landmarks, 2))
    return LandmarkSampler(SeededDataset(pairs, Compose([])), batch_size, seed)


def test_a_batch_has_one_landmark_and_an_epoch_each_image_once():
    order = sampler()
    seen = []
    for epoch in range(1, 7):
        order.set_epoch(epoch)
        items = [order_item(order, index) for index in order]
        assert sorted(item["number"] for item in items) == list(range(7))
        batches = [items[start : start + 2] for start in range(0, 7, 2)]
        for batch in batches:
            assert len({item["landmark"] for item in batch}) == 1
        seen += [batch[0]["landmark"] for batch in batches]
    # 24 batches: from a multiple of three on, every three hold every landmark.
    turns = [seen[start : start + 3] for start in range(2, 23, 3)]
    assert all(sorted(turn) == [0, 1, 2] for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def order_item(order, index):
    items = [{"number": number} for number in range(order.images)]
    data = SeededDataset(PerLandmark(items, torch.zeros(order.images, order.landmarks, 2)), Compose([]))
    return data[index]


def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = sampler(), sampler(), sampler(seed=6)
    orders = []
    for one in (first, again, other):
        one.set_epoch(4)
        orders.append(list(one))
    assert orders[0] == orders[1] != orders[2]
    list(again)
    assert list(again) == orders[0]


def test_copies_are_cases_of_their_own():
    copies = Copies([{"a": 1, "index": 0}], 3)
    assert [copies[number]["index"] for number in range(len(copies))] == [0, 1, 2]


def test_changed_places_reach_the_items():
    labels = PseudoLabels(2, 3)
    pairs = PerLandmark([{"image": 0}, {"image": 1}], labels.points)
    assert len(pairs) == 6
    assert pairs[3]["network_points"].isnan().all()
    labels.replace(torch.arange(12.0).reshape(2, 3, 2), torch.ones(2, 3))
    assert pairs[3]["landmark"] == 1
    assert pairs[3]["network_points"].tolist() == [[6, 7], [8, 9], [10, 11]]


def test_the_state_comes_back_and_another_data_sets_is_refused():
    labels = PseudoLabels(2, 3)
    labels.replace(torch.rand(2, 3, 2), torch.rand(2, 3))
    state = labels.state_dict()
    again = PseudoLabels(2, 3)
    again.load_state_dict(state)
    assert torch.equal(again.points, labels.points)
    assert torch.equal(again.confidence, labels.confidence)
    labels.replace(torch.zeros(2, 3, 2), torch.zeros(2, 3))
    assert not torch.equal(state["points"], labels.points)
    with pytest.raises(ConfigError, match="choose another --ckpt_dir"):
        PseudoLabels(3, 3).load_state_dict(state)


def engine(epoch, max_epochs=4):
    return SimpleNamespace(
        state=SimpleNamespace(epoch=epoch, max_epochs=max_epochs, device=torch.device("cpu"), rank=0)
    )


def handler(tmp_path, blobs, images, network=None, **options):
    dataset = one_template(load_dataset(blobs), "case00")
    labels = PseudoLabels(len(images), 3)
    order = LandmarkSampler(SeededDataset(PerLandmark(images, labels.points), Compose([])), 1)
    path = tmp_path / "models" / "pseudo.json"
    given = (network or small_net(), images[:1], images, labels, SimilarityCodec(), order, dataset, path)
    look = InferPseudoLabels(*given, **options)
    return TemplateHandler(given[0], images[:1], look), labels


def test_each_look_replaces_the_labels_and_the_file(tmp_path, blobs):
    images = loaded()
    look, labels = handler(tmp_path, blobs, images, interval=2)
    look.started(engine(0))
    assert labels.points.isnan().all()
    look.epoch_completed(engine(1))
    assert labels.points.isnan().all()
    assert look.network.get_buffer("template_0").any()
    look.epoch_completed(engine(2))
    # The template's own are its points, the others' what the network finds; none for what the template lacks.
    assert torch.equal(labels.points[0, :2], images[0]["network_points"][:2])
    assert labels.confidence[0].tolist() == [1, 1, 0]
    points, sure = find_points(look.network, images[1]["image"][None], SimilarityCodec(), range(3))
    assert torch.equal(labels.points[1, :2], points[:2])
    some = find_points(look.network, images[1]["image"][None], SimilarityCodec(), [1])
    assert torch.allclose(some[0], points[1:2])
    assert labels.points[:, 2].isnan().all()
    written = load_dataset(tmp_path / "models" / "pseudo.json")
    assert [len(case.annotations) for case in written.cases[:4]] == [2, 1, 1, 0]
    annotation = written.cases[1].annotations[0]
    assert annotation.reader == "one_shot"
    assert annotation.points["bright_left"] == pytest.approx((2 * points[0]).flip(0).tolist(), abs=0.01)
    assert annotation.confidence["bright_left"] == pytest.approx(float(sure[0]), abs=1e-4)
    assert "middle" not in annotation.points
    assert (written.root / written.cases[1].image).is_file()


def test_the_last_epoch_always_looks_and_a_start_looks_first(tmp_path, blobs):
    look, labels = handler(tmp_path, blobs, loaded(), interval=10)
    look.epoch_completed(engine(4))
    assert labels.points[:, :2].isfinite().all()
    look, labels = handler(tmp_path, blobs, loaded(), start=True)
    look.started(engine(3))
    assert labels.points.isnan().all()
    look.started(engine(0))
    assert labels.points[:, :2].isfinite().all()


def test_with_adapters_only_what_comes_next_is_looked_for(tmp_path, blobs):
    look, labels = handler(tmp_path, blobs, loaded(6), small_net(**adapters(2, 3)))
    look.epoch_completed(engine(1))
    look.look.sampler.set_epoch(2)
    wanted = dict(look.look.sampler.pairs())
    assert len(wanted) == 6
    for image, landmark in list(wanted.items()):
        if image:
            found = torch.isfinite(labels.points[image]).all(-1)
            assert found.tolist() == [k == landmark and k < 2 for k in range(3)]
    look.epoch_completed(engine(4))
    assert labels.points[:, :2].isfinite().all()


def test_looking_changes_no_weight_and_leaves_the_mode(tmp_path, blobs):
    look, _ = handler(tmp_path, blobs, loaded())
    look.network.train()
    before = {key: value.clone() for key, value in look.network.embedding.state_dict().items()}
    look.epoch_completed(engine(1))
    assert look.network.training
    assert all(torch.equal(value, before[key]) for key, value in look.network.embedding.state_dict().items())


def test_what_a_reader_said_before_is_replaced(blobs, tmp_path):
    dataset = load_dataset(blobs)
    rows = np.array([[4.0, 3.0, 0.5], [np.nan, np.nan, 0.2], [6.0, 7.0, 0.25]])
    first = pseudo_dataset(dataset, {"case01": rows}, tmp_path)
    again = pseudo_dataset(first, {"case01": rows + 1}, tmp_path)
    assert [a.reader for a in again.cases[1].annotations] == ["maker", "one_shot"]
    assert again.cases[1].annotations[1].points == {"bright_left": (4.0, 5.0), "middle": (8.0, 7.0)}
    assert again.cases[0].annotations == dataset.cases[0].annotations


@pytest.mark.parametrize("channels", [0, 3])
def test_a_start_gives_the_earlier_embedding(tmp_path, channels):
    """With adapters too: what was learned without them comes out unchanged, until they learn."""
    earlier = small_net().eval()
    earlier.set_template(torch.rand(1, 1, 64, 64), torch.full((3, 2), 20.0))
    torch.save(earlier.state_dict(), tmp_path / "model.pt")
    network = start_from(small_net(2, **adapters(channels, 2)), tmp_path / "model.pt").eval()
    image = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        for number in (None, 0, 1) if channels else (None,):
            pairs = zip(network.embedding(image, number), earlier.embedding(image))
            assert all(torch.allclose(own, other, atol=1e-6) for own, other in pairs)
    assert not network.get_buffer("template_0").any()


def adapters(channels, landmarks):
    return {"adapter_channels": channels, "landmarks": landmarks} if channels else {}


def test_an_unfit_start_is_named(tmp_path):
    torch.save(small_net(embedding=5).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"does not fit this network \(.*heads"):
        start_from(small_net(), tmp_path / "model.pt")
    torch.save(small_net(**adapters(2, 3)).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match="adapter_channels"):
        start_from(small_net(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match="no trained weights"):
        start_from(small_net(), tmp_path / "none.pt")


def pair_batch(landmarks):
    batch = {"image": torch.rand(2, 1, 64, 64), "patch": torch.rand(2, 1, 32, 32), "landmark": torch.tensor(landmarks)}
    return {**batch, "image_point": torch.rand(2, 2), "patch_point": torch.rand(2, 2)}


def test_a_batch_activates_its_landmarks_adapter():
    prepare, network = PreparePairs(), PairNet(small_net(2, **adapters(3, 2)))
    image, points, (patch,), about = prepare(pair_batch([1, 1]))
    assert about == {"landmark": 1}
    assert set(points) == {"image_point", "patch_point"}
    whole, crop = network(image, patch, **about)
    assert [scale.shape[-1] for scale in crop] == [1, 2, 4, 8, 16]
    sum(scale.square().sum() for scale in itertools.chain(whole, crop)).backward()
    used = [any(p.grad is not None for p in adapter.parameters()) for adapter in network.network.embedding.adapters]
    assert used == [False, True]
    with pytest.raises(ConfigError, match="LandmarkSampler"):
        prepare(pair_batch([0, 1]))
    batch = pair_batch([0, 0])
    del batch["landmark"]
    assert prepare(batch)[3] == {"landmark": None}
