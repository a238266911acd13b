"""The model card of a packed bundle, docs/README.md: what it finds, how well, on what, and what it is not for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import state_digest
from monai_landmarks.sharing.metadata import BundleMetadata
from monai_landmarks.sharing.model_settings import OneShotSettings, Settings, SidedSettings, described

METRICS = "metrics.json"
RECORD = "evaluation.json"
PLANES = {
    "patient_plane": "in the patient's plane (corrected for magnification)",
    "detector_plane": "in the detector's plane (too long by the magnification)",
    "calibrated": "calibrated",
    "user": "with the spacing its user gave",
    "unspecified": "in a plane the images do not specify",
    "mixed": "in several planes",
    "unknown": "unknown",
}


SEEN = {
    "training": "These are images the model was trained on: on others it errs more.",
    "validation": "The model was chosen on these images: on others it errs a little more.",
}
# Of a model that knows one annotated image.
ONE_SHOT_LIMITS = (
    "- All it knows of a landmark are descriptors of it in one image: an unlucky template costs accuracy everywhere, "
    "and so does an image unlike it.",
    "- No annotated image but the template had a part in its training, not even in the choice of its epoch.",
    "- Presence says whether the template shows the landmark: one that an image does not show is found somewhere all "
    "the same. Confidence is a similarity, not a probability.",
)


class Evaluation:
    """metrics.json of an evaluation, and what evaluation.json tells of its data.

    Args:
        folder: an evaluation's output folder.

    Raises:
        ConfigError: there is none, or it is not of this package.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics = _read(folder / METRICS)
        record = folder / RECORD
        self.record: dict[str, Any] = _read(record) if record.is_file() else {}
        if self.metrics.get("format") != "monai_landmarks.metrics":
            raise ConfigError(f"{folder / METRICS}: is not written by an evaluation; evaluate the model")

    @property
    def unit(self) -> str:
        """mm where the images have a spacing, else px of the original images."""
        return "mm" if self.metrics.get("mm") else "px"

    def check_landmarks(self, names: tuple[str, ...]) -> None:
        """Refuse an evaluation of another model.

        Raises:
            ConfigError: it is of other landmarks.
        """
        found = tuple(self.metrics["landmarks"])
        if set(found) != set(names):
            raise ConfigError(f"the evaluation is of {', '.join(found)}; the model finds {', '.join(names)}")

    def check_weights(self, models: Path) -> None:
        """Refuse the errors of another model; an evaluation that says nothing of its weights is taken on trust.

        Args:
            models: folder of the model that the errors are to be told of.

        Raises:
            ConfigError: the evaluated weights were others.
        """
        for name, evaluated in self.record.get("weights", {}).items():
            if evaluated != state_digest(torch.load(models / name, map_location="cpu", weights_only=True)):
                raise ConfigError(
                    f"{self.folder}: is the evaluation of another model than {name}, or it was trained on since; "
                    "evaluate it (its --ckpt_dir, an --output_dir of its own), and give that folder with --evaluation"
                )

    def headline(self) -> dict[str, float]:
        """Pooled errors for metadata.json: `mre_mm` and so on, with the ends of the 95 % interval."""
        unit = self.unit
        found = self.metrics[unit]
        low, high = interval(found)
        numbers = {f"{key}_{unit}": found[key] for key in ("mre", "median", "rmse")}
        if missed := found.get("unpredicted"):
            numbers |= {"unpredicted": missed, f"mre_predicted_{unit}": found["mre_predicted"]}
        numbers |= {f"mre_{unit}_ci95_low": low, f"mre_{unit}_ci95_high": high}
        numbers |= {f"sdr_{limit}_{unit}": share for limit, share in found["sdr"].items()}
        return {key: round(float(value), 4) for key, value in numbers.items() if value is not None}


def write_card(path: Path, metadata: BundleMetadata, evaluation: Evaluation, data_licence: str) -> None:
    """Write the card. Only sums over all images go into it, never a case."""
    own = metadata.monai_landmarks
    trained = own.dataset
    scope = [f"{key.replace('_', ' ')} {' or '.join(values)}" for key, values in own.scope.items() if values]
    sides = metadata.network_data_format.inputs.image.spatial_shape
    text = [
        f"# {metadata.name} {metadata.version}",
        "",
        metadata.description,
        "",
        "| | |",
        "|---|---|",
        f"| finds | {len(own.predicted.names)} landmarks of the scheme {own.scheme.name} |",
        f"| data set | {trained.get('name', 'unknown')}, {trained.get('cases', 'unknown')} cases in all its splits "
        f"(digest {str(trained.get('digest', 'unknown'))[:16]}) |",
        *_annotations(own.settings),
        f"| images | {', '.join(scope) or 'no restriction is noted'} |",
        f"| network | {described(own.settings)}, input {sides[0]} x {sides[1]} |",
        f"| made with | monai_landmarks {own.version}, MONAI {metadata.monai_version}, "
        f"PyTorch {metadata.pytorch_version} |",
        "",
        "## Intended use",
        metadata.intended_use,
        "",
        "## How well it finds them",
        *_errors(evaluation, trained, own.settings),
        "",
        "## Limits",
        *_limits(evaluation, bool(scope), own.settings),
        "",
        "## Use",
        "```bash",
        f"monai-landmarks verify {metadata.name}-{metadata.version}.zip --key signer.pub.pem",
        f"monai-landmarks predict {metadata.name}-{metadata.version}.zip radiographs/ --output predictions",
        "```",
        "",
        "## Licences",
        "This bundle: see LICENSE. The training data:",
        "",
        data_licence,
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text), encoding="utf-8")


def _annotations(settings: Settings) -> list[str]:
    """The table's line of a model that has not learned from all annotations of its data set."""
    if not isinstance(settings, OneShotSettings):
        return []
    return ["| learned from | the annotations of one image, the template; of all other images without theirs |"]


def _errors(evaluation: Evaluation, trained: dict[str, Any], settings: Settings) -> list[str]:
    metrics, unit = evaluation.metrics, evaluation.unit
    pooled = metrics[unit]
    plane = f", {PLANES.get(metrics['spacing_plane'], metrics['spacing_plane'])}" if unit == "mm" else " of the image"
    lines = [
        f"Split `{metrics['split']}` of {_data(evaluation, trained, settings)}: {metrics['cases']} images of "
        f"{metrics['patients']} patients, {metrics['points']} points. Errors are distances in {unit}{plane}. The "
        f"interval is a 95 % bootstrap over {metrics['bootstrap']['unit']}s.",
        "",
        f"| landmark | points | mean error, {unit} | median | "
        + " | ".join(f"within {r} {unit}" for r in pooled["sdr"])
        + " |",
        "|" + "---|" * (4 + len(pooled["sdr"])),
        _row("**all**", pooled),
    ]
    for name, entry in metrics["landmarks"].items():
        found = entry.get(unit)
        if found:
            lines.append(_row(name, found))
    presence = metrics["presence"]
    if presence.get("absent"):
        lines += [
            "",
            f"Presence: sensitivity {_share(presence['sensitivity'])} of {presence['present']} present, specificity "
            f"{_share(presence['specificity'])} of {presence['absent']} absent landmarks.",
        ]
    return lines


def _data(evaluation: Evaluation, trained: dict[str, Any], settings: Settings) -> str:
    """Which data set was evaluated, as far as the digests tell."""
    name = evaluation.record.get("dataset", "unknown")
    if isinstance(settings, OneShotSettings):
        # Its training's digest is that of a data set with one annotation.
        return f"the data set {name}, with all annotations"
    digest = evaluation.record.get("digest")
    same = digest is not None and digest == trained.get("digest")
    return "the data set it was trained on" if same else f"another data set, {name}"


def _limits(evaluation: Evaluation, scoped: bool, settings: Settings) -> list[str]:
    metrics = evaluation.metrics
    found = metrics[evaluation.unit]
    worst = f"The largest error of the evaluation was {_number(found['max'])} {evaluation.unit}"
    if missed := found.get("unpredicted"):
        worst = f"The evaluation's model did not find {missed} of {found['points']} points"
    lines = [
        f"- {worst}: look at every overlay.",
        f"- These numbers rest on {metrics['cases']} images; other devices, projections and patients may differ.",
        "- Millimetres are as good as the image's pixel spacing; the plane they hold in stands beside each.",
    ]
    if metrics["split"] in SEEN:
        lines.insert(0, f"- {SEEN[metrics['split']]}")
    if scoped:
        lines.append("- Images whose header names another modality, body part or view are refused.")
    if isinstance(settings, OneShotSettings):
        lines += ONE_SHOT_LIMITS
    if isinstance(settings, SidedSettings):
        lines.append("- Images that do not say their pixel spacing or which side they show need both from their user.")
    return lines


def interval(found: dict[str, Any]) -> tuple[float | None, float | None]:
    """Ends of the mean error's 95 % interval, None where it was not computed."""
    low, high = (found.get("ci95") or {}).get("mre") or (None, None)
    return low, high


def _row(name: str, found: dict[str, Any]) -> str:
    low, high = interval(found)
    mean = f"{_number(found['mre'])} ({_number(low)} to {_number(high)})"
    if missed := found.get("unpredicted"):
        mean = f"{_number(found['mre_predicted'])}, {missed} not found"
    shares = " | ".join(_share(share) for share in found["sdr"].values())
    return f"| {name} | {found['points']} | {mean} | {_number(found['median'])} | {shares} |"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no {path}: evaluate the model, or give the folder of its evaluation") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is no valid JSON ({error}); evaluate the model again") from None
    return content
