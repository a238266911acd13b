import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Resized

from monai_landmarks.codecs.decode import Categorical, LocalSoftArgmaxCodec
from monai_landmarks.transforms.batch import PrepareImage, PrepareLandmarkBatch
from monai_landmarks.transforms.geometry import NoteGeometryd, PadToAspectd, PointsFollowImaged
from monai_landmarks.transforms.post import CollectTruthd, DecodeLandmarksd
from monai_landmarks.transforms.shapes import Gaussian, point_regions

SIZE = (128, 96)


@pytest.fixture
def item():
    """An image that was padded and resized, with its points and what a reader adds."""
    affine = torch.diag(torch.tensor([0.3, 0.2, 1, 1], dtype=torch.float64))
    image = MetaTensor(torch.rand(1, 200, 331), affine=affine, meta={"original_affine": affine.numpy()})
    chain = Compose(
        [
            PadToAspectd("image", SIZE),
            Resized("image", spatial_size=SIZE, mode="bilinear", anti_aliasing=True),
            NoteGeometryd("image"),
            PointsFollowImaged("points"),
        ]
    )
    points = np.array([[[20.5, 30.25], [150.0, 300.0], [np.nan, np.nan]]])
    spacing = torch.tensor([0.3, 0.2], dtype=torch.float64)
    return chain({"image": image, "points": points, "state": np.array([1, 1, 2]), "spacing": spacing, "index": 4})


def test_what_is_encoded_in_the_network_comes_back_in_the_original(item):
    logits = torch.log(point_regions(item["network_points"], SIZE, 6, Gaussian()) + 1e-6) + 6
    item["pred"] = logits
    out = DecodeLandmarksd("pred", LocalSoftArgmaxCodec(Categorical(), radius=40))(item)["pred"]
    assert out.shape == (3, 4)
    assert np.abs(out[:2, :2].numpy() - item["points"][0, :2]).max() < 0.05
    assert (out[:2, 3] > 0.99).all()


def test_truth_for_the_metric(item):
    truth = CollectTruthd("points")(item)["label"]
    assert truth.shape == (3, 8)
    assert truth[0].tolist() == pytest.approx([20.5, 30.25, 1, 0.3, 0.2, 96 / 331, 96 / 331, 4], rel=3e-3)
    assert torch.isnan(truth[2, :2]).all()
    assert truth[:, 2].tolist() == [1, 1, 2]


def test_the_trainers_batch_is_made_by_its_transforms_in_order(item):
    def target(batch):
        return {**batch, "region": batch["network_points"] + 1}

    prepare = PrepareLandmarkBatch([target], channels_last=True)
    batch = {
        "image": item["image"][None],
        "network_points": torch.zeros(1, 3, 2),
        "state": torch.ones(1, 3),
        "id": ["a"],
    }
    image, targets = prepare(batch, "cpu")
    assert type(image) is torch.Tensor
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(targets["region"], torch.ones(1, 3, 2))
    assert set(targets) == {"region", "state"}


def test_the_evaluators_batch_is_the_image(item):
    image, nothing = PrepareImage()({"image": item["image"][None], "points": None}, "cpu")
    assert type(image) is torch.Tensor
    assert nothing is None
