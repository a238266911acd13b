import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data import probe as probe_module
from monai_landmarks.data.checks import duplicate_images, pairs, points_outside, size_mismatches, swapped_pairs
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.fingerprint import assess, fingerprint
from monai_landmarks.data.polarity_check import agreement, polarity_outliers
from monai_landmarks.data.probe import Probe, probe_cases
from monai_landmarks.errors import ConfigError

ISBI = Path(__file__).parents[2].parent / "shared" / "data" / "isbi2015" / "images"
SCHEME = {
    "name": "hips",
    "landmarks": [
        {"name": "hip_left", "pair": "hip_right"},
        {"name": "hip_right", "pair": "hip_left"},
        {"name": "knee_l", "pair": "knee_r"},
        {"name": "knee_r", "pair": "knee_l"},
        {"name": "middle"},
    ],
}


def film(seed, size=(96, 80)):
    """A radiograph to the eye of the polarity check: air, a body with noise, two bright shafts, its own exposure."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]] / np.array(size)[:, None, None]
    dx, dy = rng.uniform(-0.04, 0.04, 2)
    body = 1 / (1 + np.exp((np.abs(columns - 0.5 - dx) - 0.36) / 0.03))
    shafts = sum(np.exp(-(((columns - c - dx) / 0.06) ** 2)) * (rows > 0.35 + dy) for c in (0.33, 0.67))
    pelvis = np.exp(-(((rows - 0.3 - dy) / 0.12) ** 2) - ((columns - 0.5 - dx) / 0.25) ** 2)
    image = 0.35 * body + 0.4 * np.maximum(shafts, pelvis) + rng.normal(0, 0.02, size)
    image = np.clip(image, 0, 1) ** rng.uniform(0.6, 1.6)
    return (image * rng.uniform(800, 4000) + rng.uniform(0, 200)).astype(np.float32)


def named(seeds, **special):
    images = {f"c{seed}": film(seed) for seed in seeds}
    return images | special


def negative(image):
    return image.max() + image.min() - image


def unshuttered(image):
    """Collimated, the outside left as bright as unexposed film is."""
    bright = np.full_like(image, image.max())
    bright[10:-10, 8:-8] = image[10:-10, 8:-8]
    return bright


@pytest.mark.parametrize("position", [0, 7, 19])
def test_one_inverted_image_among_twenty_is_found(position):
    images = named(range(20))
    name = f"c{position}"
    images[name] = negative(images[name])
    assert polarity_outliers(images, {}) == [name]


def test_ordinary_images_are_not_flagged_nor_their_variants():
    images = named(range(20))
    images["c3"] = unshuttered(images["c3"])
    images["c5"] = np.ascontiguousarray(images["c5"][:, ::-1])
    images["c7"] = np.sqrt(images["c7"])
    assert polarity_outliers(images, {}) == []
    images["c3"] = negative(images["c3"])
    assert polarity_outliers(images, {}) == ["c3"]


def test_the_majority_decides_even_with_many_outliers():
    images = {name: negative(image) if i < 8 else image for i, (name, image) in enumerate(named(range(20)).items())}
    assert polarity_outliers(images, {}) == [f"c{i}" for i in range(8)]


def test_views_are_judged_apart_and_small_or_mixed_groups_not_at_all():
    images = named(range(20))
    views = {name: "PELVIS AP" if i < 12 else "CHEST PA" for i, name in enumerate(images)}
    flipped = {name: negative(image) if views[name] == "CHEST PA" else image for name, image in images.items()}
    assert polarity_outliers(flipped, views) == []
    assert polarity_outliers({n: i for n, i in images.items() if n in ("c0", "c1")}, {}) == []
    rng = np.random.default_rng(0)
    assert polarity_outliers({str(i): rng.normal(size=(64, 64)) for i in range(20)}, {}) == []
    assert polarity_outliers({str(i): np.zeros((64, 64)) for i in range(9)}, {}) == []


def test_inverting_negates_the_agreement():
    images = [film(seed) for seed in range(12)]
    before = agreement(images)
    images[4] = negative(images[4])
    after = agreement(images)
    np.testing.assert_allclose(after[4], -before[4], atol=1e-6)
    np.testing.assert_allclose(np.delete(after, 4), np.delete(before, 4), atol=1e-6)


def test_isbi_images_one_inverted():
    if not ISBI.is_dir():
        pytest.skip("needs ../shared/data/isbi2015")
    files = sorted(ISBI.glob("*.jpg"))[::15]
    images = {f.stem: np.asarray(Image.open(f).resize((64, 64), Image.Resampling.BOX)) for f in files}
    assert len(images) == 20
    assert polarity_outliers(images, {}) == []
    images["001"] = 255 - images["001"]
    assert polarity_outliers(images, {}) == ["001"]


def case(number, points=None, readers=("r",), **fields):
    points = points or {"hip_left": (60, 20), "hip_right": (20, 20), "knee_l": (58, 70), "knee_r": (22, 70)}
    annotations = [Annotation(reader=reader, points=points) for reader in readers]
    return Case(id=f"c{number}", image=f"{number}.png", annotations=annotations, **fields)


def dataset(cases, root="."):
    return LandmarkDataset(scheme=SCHEME, cases=cases, root=root)


def test_swaps_are_seen_per_pair_and_reader():
    cases = [case(i, readers=("a", "b")) for i in range(12)]
    cases[3].annotations[1].points |= {"hip_left": (20, 20), "hip_right": (60, 20)}
    cases[5].annotations[0].points |= {"hip_left": (38, 20), "hip_right": (40, 20)}  # too near to tell
    del cases[6].annotations[0].points["hip_left"]
    data = dataset(cases)
    assert pairs(data.scheme) == [("hip_left", "hip_right"), ("knee_l", "knee_r")]
    assert swapped_pairs(data) == {"c3": ["b: hip_left / hip_right"]}


def test_swaps_need_a_clear_majority():
    assert (
        swapped_pairs(dataset([case(i) for i in range(3)] + [case(4, {"hip_left": (1, 1), "hip_right": (9, 1)})])) == {}
    )
    rng = np.random.default_rng(0)
    lateral = [
        case(i, {"hip_left": (float(rng.normal(40, 5)), 5), "hip_right": (float(rng.normal(40, 5)), 5)})
        for i in range(40)
    ]
    assert swapped_pairs(dataset(lateral)) == {}


def test_points_outside_and_sizes():
    inside = {"hip_left": (-0.5, -0.5), "hip_right": (79.5, 95.5)}
    outside = {"hip_left": (79.6, 3), "middle": (3, -0.6), "knee_l": (90, 90)}
    data = dataset([case(0, inside, size=(96, 80)), case(1, outside, size=(80, 96)), case(2, outside)])
    sizes = {"c0": (96, 80), "c1": (96, 80)}
    assert points_outside(data, sizes) == {"c1": ["r: hip_left (79.6, 3)", "r: middle (3, -0.6)", "r: knee_l (90, 90)"]}
    assert size_mismatches(data, sizes) == {"c1": ((80, 96), (96, 80))}


def test_duplicates_by_hash():
    probes = [Probe(n, pixel_hash=h) for n, h in (("a", "1"), ("b", "2"), ("c", "1"), ("d", ""), ("e", ""))]
    assert duplicate_images(probes) == [["a", "c"]]


@pytest.fixture
def folder(tmp_path):
    """Twelve films as PNG, named by number; 10 is a copy of 0, 11 is damaged."""
    for number in range(12):
        grey = np.clip(film(number if number != 10 else 0) / 16, 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    (tmp_path / "11.png").write_bytes((tmp_path / "11.png").read_bytes()[:200])
    return tmp_path


SPLITS = ["training"] * 6 + ["validation"] * 2 + ["test"] * 4


def test_fingerprint_of_real_files(folder):
    cases = [case(i, split=SPLITS[i], patient=f"P{i // 2}", spacing_mm=(0.1, 0.2)) for i in range(12)]
    cases[2].annotations[0].points["middle"] = (500, 5)
    cases[4].annotations[0].absent.append("middle")
    cases[5] = cases[5].model_copy(update={"patient": "P5", "side": "L"})
    cases[7].annotations.clear()
    cases[8] = cases[8].model_copy(update={"spacing_mm": None, "size": (80, 96)})
    cases[9] = cases[9].model_copy(update={"image": "gone.png"})
    told = []
    found = fingerprint(dataset(cases, folder), progress=told.append)
    assert told == list(range(1, 13))
    assert found.cases == {"training": 6, "validation": 2, "test": 4, "unassigned": 0}
    assert found.patients == {"training": 4, "validation": 1, "test": 2, "unassigned": 0}
    assert found.sizes == {"96 x 80": 10}
    assert found.spacings == {"0.1 x 0.2 mm": 9, "unknown": 1}
    assert found.planes == {"user": 9, "unknown": 1}
    assert found.readers == {"r": 11}
    assert found.coverage["middle"] == {"unlabelled": 10, "present": 1, "absent": 1}
    assert found.coverage["hip_left"] == {"unlabelled": 1, "present": 11, "absent": 0}
    assert found.unannotated == ["c7"]
    assert set(found.unreadable) == {"c9", "c11"}
    assert found.patients_in_two_splits == {"P5": ["test", "training"]}
    assert found.points_outside == {"c2": ["r: middle (500, 5)"]}
    assert found.size_mismatches == {"c8": ((80, 96), (96, 80))}
    assert found.duplicates == [["c0", "c10"]]
    assert found.suspects() == {"c0", "c10", "c2", "c8", "c9", "c11"}
    expected = [
        "case c10: patient P5",
        "case c11: patient P5",
        "no file gone.png",
        "11.png",
        "c2: 1 point(s) outside",
        "c8, field size",
        "c0, c10",
    ]
    for part in expected:
        assert sum(part in fault for fault in found.faults) == 1, part
    assert len(found.faults) == len(expected)
    assert any("1 image(s) of unknown spacing" in warning for warning in found.warnings)
    assert any("have no annotation: c7" in warning for warning in found.warnings)
    assert json.loads(json.dumps(found.to_dict()))["duplicates"] == [["c0", "c10"]]


def test_processes_find_the_same(folder):
    data = dataset([case(i) for i in range(12)], folder)
    serial, parallel = probe_cases(data), probe_cases(data, workers=2)
    assert [p.case_id for p in parallel] == [c.id for c in data.cases]
    assert [p.pixel_hash for p in parallel] == [p.pixel_hash for p in serial]
    assert [p.error for p in parallel] == [p.error for p in serial]


def test_a_killed_process_is_a_plain_error(folder, monkeypatch):
    class Killed:
        def __init__(self, *args, **kwargs):
            raise probe_module.BrokenProcessPool

    monkeypatch.setattr(probe_module, "ProcessPoolExecutor", Killed)
    with pytest.raises(ConfigError, match="one worker"):
        probe_cases(dataset([case(0)], folder), workers=2)


def test_findings_of_the_files_own_words(folder):
    cases = [case(i, side="L") for i in range(4)]
    probes = [
        Probe("c0", laterality="R", plane="calibrated", burned_in=True, view="KNEE AP"),
        Probe("c1", laterality="L", plane="detector_plane", view="KNEE AP"),
        Probe("c2", laterality="B"),
        Probe("c3"),
    ]
    found = assess(dataset(cases, folder), probes)
    assert found.side_mismatches == {"c0": ("L", "R"), "c2": ("L", "both")}
    assert found.burned_in == ["c0"]
    assert found.views == {"KNEE AP": 2, "": 2}
    assert found.faults == ()
    for part in (
        "c0: side is L here and R in the image file",
        "1 case(s) have text burned into the pixels, which may name the patient: c0",
        "different planes (calibrated, detector_plane)",
        "landmark middle is present in no case",
        "4 case(s) are in no split",
    ):
        assert sum(part in warning for warning in found.warnings) == 1, part
    assert not any("no case is in" in warning for warning in found.warnings)


def test_duplicates_within_a_split_and_long_lists_only_warn(folder):
    cases = [case(i, split="training") for i in range(10)]
    probes = [Probe(c.id, pixel_hash="same", size=(96, 80)) for c in cases]
    found = assess(dataset(cases, folder), probes)
    assert found.faults == ()
    assert any("c7 and 2 more have the same pixels" in warning for warning in found.warnings)
    assert [w for w in found.warnings if "no case is in" in w] == ["no case is in validation", "no case is in test"]
