"""A trained model's points for the cases of a data set file that have none: one more reader, to be corrected.

Also the way pseudo-labels train another network (TPL of CC2D and its successors): `pseudo_training_set`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.one_shot import one_template, template_case
from monai_landmarks.engines.inference import inference_workflow
from monai_landmarks.engines.pseudo_labels import READER, inside, plain_tensor, pseudo_dataset
from monai_landmarks.engines.template_choice import Proposed, propose_templates
from monai_landmarks.engines.workflow import refuse_special_paths
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.one_shot import TakesTemplate
from monai_landmarks.sharing.bundles import check_landmarks, settings_of
from monai_landmarks.transforms.geometry import PointsFollowImaged

# Stride 16: of the encoder's taps, coarse first.
MATCHED_TAP = 1
# Presence from which a landmark counts as found.
PRESENT_FROM = 0.5


class Proposer:
    """A trained bundle that looks at the cases of a data set, each read as its case says.

    Args:
        bundle: its folder. Its inference.yaml is executed: use only bundles you trust.
        dataset: whose cases are looked at; its landmarks must be the model's.
        models: folder of the trained model, the bundle's models/ by default.

    Raises:
        ConfigError: the landmarks differ; a model that looks at one limb at a time.
    """

    def __init__(self, bundle: Path, dataset: LandmarkDataset, models: Path | None = None) -> None:
        self.content = _contents(bundle, models)
        metadata = check_landmarks(self.content("metadata"), dataset)
        if "sides" in settings_of(metadata):
            raise ConfigError(f"{bundle}: looks at one limb at a time; `predict` and `export` give its points")
        self.dataset = dataset
        self.network = self.content("network").eval()
        self.device: torch.device = self.content("device")

    def use_template(self, template: str, reader: str = "mean") -> None:
        """Look for the points of another template than the one the model was trained with.

        Raises:
            ConfigError: no such training case, no point in it; no one-shot model.
        """
        if not isinstance(self.network, TakesTemplate):
            raise ConfigError(f"template {template}: this bundle's model is not a one-shot one; leave --template out")
        case = template_case(self.dataset, template, reader)
        item = PointsFollowImaged("points")(self._loaded(case, reader))
        points = item["network_points"].to(self.device)
        self.network.set_template(plain_tensor(item["image"])[None].to(self.device), points)

    def points(self, cases: Iterable[Case]) -> dict[str, np.ndarray]:
        """By case id (K, 3): row, column in the original image, and confidence.

        Row and column are NaN where the landmark is absent, or lies in the padding outside the image.
        """
        return {name: inside(rows, size) for name, rows, size in self.answers(cases)}

    @torch.no_grad()
    def answers(self, cases: Iterable[Case]) -> Iterator[tuple[str, np.ndarray, Sequence[int]]]:
        """Case id, its points as in `points`, those in the padding among them, and the image's rows and columns."""
        inferer, postprocessing = self.content("inferer"), self.content("postprocessing")
        for case in cases:
            item = self._loaded(case)
            logits = inferer(plain_tensor(item["image"])[None].to(self.device), self.network)
            rows = np.array(postprocessing({**item, "pred": logits[0]})["pred"])
            rows[rows[:, 3] < PRESENT_FROM, :2] = np.nan
            yield case.id, rows[:, :3], item["size"]

    def _loaded(self, case: Case, reader: str = "mean") -> Any:
        return _loaded(self.content("preprocessing"), self.dataset, case, reader)


def rank_templates(bundle: Path, dataset: LandmarkDataset, cases: Iterable[Case]) -> list[Proposed]:
    """Which case to annotate, best first (`engines.template_choice`).

    Needs no training and no annotation: images are compared as the installed package's encoder sees them.

    Args:
        bundle: gives the preprocessing; it need not be trained.
        dataset: of the cases.
        cases: to choose from; two or more.
    """
    content = _contents(bundle)
    device: torch.device = content("device")
    encoder = EmbeddingNet(encoder_weights="package").eval().to(device)
    items = (_loaded(content("preprocessing"), dataset, case) for case in cases)
    return propose_templates(lambda image: encoder.encode(image)[MATCHED_TAP], items, device=device)


def _contents(bundle: Path, models: Path | None = None) -> Callable[[str], Any]:
    """What gives the entries of a bundle's inference.yaml by their name."""
    refuse_special_paths([bundle, *([models] if models else [])])
    chosen = {"ckpt_dir": str(models)} if models else {}
    workflow = inference_workflow(bundle, bundle_root=str(bundle.resolve()), **chosen)
    workflow.initialize()
    content: Callable[[str], Any] = workflow.parser.get_parsed_content
    return content


def _loaded(preprocessing: Callable[[Any], Any], dataset: LandmarkDataset, case: Case, reader: str = "mean") -> Any:
    alone = dataset.model_copy(update={"cases": [case]})
    return preprocessing(alone.datalist(None, reader)[0])


def unannotated(dataset: LandmarkDataset, but: Collection[str] = (READER,)) -> list[Case]:
    """The cases no reader has said anything of, but for these readers, whose word may be replaced."""
    return [case for case in dataset.cases if all(annotation.reader in but for annotation in case.annotations)]


def pseudo_training_set(
    dataset: LandmarkDataset, labels: Mapping[str, np.ndarray], template: str, folder: str | Path
) -> LandmarkDataset:
    """A data set to train another network on, with `reader: one_shot`: pseudo-labels, and the template's own points.

    No other annotation is in it, so none can be learned from.

    Args:
        dataset: the images.
        labels: what `Proposer.points` has found, for training and validation cases.
        template: case id of the template.
        folder: where its file will lie.
    """
    own = template_case(dataset, template)
    points = own.points(dataset.scheme)[0]
    known = np.column_stack([points, np.ones(len(points))])
    return pseudo_dataset(one_template(dataset, own.id), {**labels, own.id: known}, folder)
