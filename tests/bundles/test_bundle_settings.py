"""What the configs make of the settings a user gives, without a training."""

import json

import pytest
from monai.bundle import ConfigWorkflow

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, find_cause
from monai_landmarks.sharing.bundles import describe_model, load_metadata, settings_of, shipped_bundles

SHIPPED = shipped_bundles()["label_augmentation"]
TRAINING = ("resume", "amp", "channels_last", "progress", "share_cases", "test_time_mirror")


@pytest.fixture(scope="module")
def models(blobs, tmp_path_factory):
    """Where a model of the blobs would lie: what is said of it, no weights."""
    folder = tmp_path_factory.mktemp("models")
    metadata = describe_model(SHIPPED, load_dataset(blobs), [64, 64], settings_of(load_metadata(SHIPPED, folder)))
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def workflow(names, blobs, **options):
    if "inference" not in names:
        options["dataset_file"] = str(blobs)
    return ConfigWorkflow(
        config_file=[str(SHIPPED / "configs" / f"{name}.yaml") for name in names],
        logging_file=False,
        workflow_type="train",
        bundle_root=str(SHIPPED),
        **options,
    )


@pytest.mark.parametrize(
    ("names", "option"),
    [
        *((("train",), option) for option in TRAINING),
        *((("train", "evaluate"), option) for option in TRAINING),
        (("train", "multi_gpu_train"), "resume"),
        *((("inference",), option) for option in ("overlays", "out_of_scope", "amp", "test_time_mirror")),
    ],
)
def test_a_switch_that_is_a_text_is_refused(names, option, blobs, models):
    with pytest.raises(RuntimeError) as caught:
        workflow(names, blobs, ckpt_dir=str(models), **{option: "false"}).initialize()
    cause = find_cause(caught.value)
    assert isinstance(cause, ConfigError)
    assert f"--{option} false: must be True or False" in str(cause)


@pytest.mark.parametrize("names", [("train",), ("train", "evaluate"), ("inference",)])
def test_the_shipped_switches_are_switches(names, blobs, models):
    workflow(names, blobs, ckpt_dir=str(models)).initialize()


@pytest.mark.parametrize(
    ("given", "logged"), [("/home/somebody/weights/resnet101.pth", "resnet101.pth"), ("package", "package")]
)
def test_tracking_gets_the_name_of_a_weights_file_and_no_folder(given, logged, blobs):
    parser = workflow(("train",), blobs, encoder_weights=given).parser
    handlers = parser["train"]["handlers"]
    place = next(n for n, handler in enumerate(handlers) if "ExperimentTracker" in handler["_target_"])
    assert parser.get_parsed_content(f"train#handlers#{place}#params#encoder_weights") == logged
