"""The ready sets: what fits which landmarks, other names, published identities."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.measure import measure_points, measurements_of
from monai_landmarks.measure.library import LIBRARY, fitting, get_set, landmark_names, with_set
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.simulate import PRESETS
from monai_landmarks.simulate import dataset as simulation

# A face in profile, in mm: (row, column), the face looks to the right.
FACE = {
    "sella": (0, 0), "nasion": (-8, 68), "orbitale": (22, 55), "porion": (22, -25), "subspinale_A": (50, 66),
    "supramentale_B": (90, 58), "pogonion": (105, 59), "menton": (114, 50), "gnathion": (111, 56),
    "gonion": (78, -12), "lower_incisor": (72, 66), "upper_incisor": (74, 69), "PNS": (45, 18), "ANS": (46, 70),
    "articulare": (32, -17), "upper_lip": (66, 82), "lower_lip": (80, 79), "subnasale": (50, 82),
    "soft_tissue_pogonion": (106, 71),
}  # fmt: skip


def ceph(names: tuple[str, ...] = tuple(FACE)) -> Scheme:
    return with_set(Scheme(name="ceph", landmarks=tuple(Landmark(name=n) for n in names)), "cephalogram")


def measured(scheme: Scheme, points: dict[str, tuple[float, float]]) -> dict[str, float]:
    array = np.array([points[name] for name in scheme.names], dtype=float)
    return {m.name: m.value for m in measure_points(scheme, array, spacing=(1.0, 1.0)) if m.value is not None}


@pytest.mark.parametrize("name", LIBRARY)
def test_every_set_is_sound_and_told(name: str) -> None:
    elements = get_set(name)
    landmarks = landmark_names(elements)
    scheme = Scheme(name=name, landmarks=tuple(Landmark(name=n) for n in landmarks), measurements=elements)
    assert len({m.title for m in measurements_of(scheme)}) == len(measurements_of(scheme))
    assert fitting(elements, landmarks) == elements


def test_presets_measure_what_their_landmarks_allow() -> None:
    counts = {name: len(measurements_of(preset.scheme)) for name, preset in PRESETS.items()}
    assert counts == {
        "pelvis-radiograph": 16,
        "knee-radiograph": 10,
        "knees-radiograph": 12,
        "pelvis-fluoroscopy": 5,
        "pelvis-radiograph-implant": 2,
        "pelvis-fluoroscopy-implant": 3,
        "pelvis-fluoroscopy-trochanter": 5,
    }


def test_the_bundle_knows_the_presets_measurements() -> None:
    bundle = Path(__file__).parents[2] / "bundles" / "label_augmentation" / "configs" / "metadata.json"
    scheme = Scheme.model_validate(json.loads(bundle.read_text())["monai_landmarks"]["scheme"])
    assert scheme.measurements == PRESETS["pelvis-radiograph"].scheme.measurements


def test_cephalometric_values_by_hand() -> None:
    found = measured(ceph(), FACE)
    way = {n: np.array([FACE[n][1], -FACE[n][0]], dtype=float) for n in FACE}

    def heading(first: str, second: str) -> float:
        x, y = way[second] - way[first]
        return float(np.degrees(np.arctan2(y, x)))

    sna = heading("nasion", "subspinale_A") - heading("nasion", "sella")
    snb = heading("nasion", "supramentale_B") - heading("nasion", "sella")
    assert found["SNA"] == pytest.approx(sna % 360)
    assert found["ANB"] == pytest.approx(sna - snb)
    # The Frankfort plane is level here.
    assert found["FMA"] == pytest.approx(-heading("gonion", "menton"))
    assert found["palatal_plane_angle"] == pytest.approx(-heading("PNS", "ANS"))
    assert found["facial_angle"] == pytest.approx(180 + heading("nasion", "pogonion"))
    assert found["FHA"] == pytest.approx(heading("sella", "nasion") - heading("gonion", "gnathion"))
    assert found["FHI"] == pytest.approx(np.hypot(78, 12) / np.hypot(122, 18))
    assert found["overjet"] == pytest.approx(3.0)
    assert found["MW"] == pytest.approx(np.hypot(2, 3))
    # The facial plane drops out of the APDI: it is the lower back angle of the palatal plane and A-B.
    apdi = 180 - heading("PNS", "ANS") + heading("subspinale_A", "supramentale_B")
    assert found["APDI"] == pytest.approx(apdi)
    assert found["ab_plane_angle"] < 0 < found["convexity"]


def test_a_face_that_looks_left_measures_the_same() -> None:
    scheme = ceph()
    mirrored = {name: (row, -column) for name, (row, column) in FACE.items()}
    assert measured(scheme, mirrored) == pytest.approx(measured(scheme, FACE))


def test_an_edge_to_edge_bite_and_a_reversed_one_change_sign() -> None:
    scheme = ceph()
    assert measured(scheme, {**FACE, "lower_incisor": (73, 73)})["MW"] < 0
    assert measured(scheme, {**FACE, "lower_incisor": (73, 73)})["overjet"] == pytest.approx(-4.0)


def test_fewer_landmarks_allow_less() -> None:
    names = [m.name for m in measurements_of(ceph(("sella", "nasion", "subspinale_A", "supramentale_B")))]
    assert names == ["SNA", "SNB", "ANB"]
    kinds = {e.kind for e in ceph(("sella", "nasion", "subspinale_A")).measurements}
    assert kinds == {"vertex_angle"}  # no line that nothing is measured on


def test_landmarks_may_have_other_names() -> None:
    landmarks = tuple(Landmark(name=n) for n in ("S", "N", "A", "B"))
    called = {"sella": "S", "nasion": "N", "subspinale_A": "A", "supramentale_B": "B"}
    scheme = with_set(Scheme(name="s", landmarks=landmarks), "cephalogram", called)
    points = {"S": FACE["sella"], "N": FACE["nasion"], "A": FACE["subspinale_A"], "B": FACE["supramentale_B"]}
    assert measured(scheme, points)["ANB"] == pytest.approx(measured(ceph(), FACE)["ANB"])
    # A second time replaces, a scheme of its own stays.
    own = [*scheme.model_dump()["measurements"], {"kind": "distance", "name": "mine", "between": ["S", "N"]}]
    again = with_set(Scheme.model_validate({**scheme.model_dump(), "measurements": own}), "cephalogram", called)
    assert sorted(m.name for m in measurements_of(again)) == ["ANB", "SNA", "SNB", "mine"]


def test_what_does_not_fit_is_said() -> None:
    scheme = Scheme(name="s", landmarks=(Landmark(name="a"), Landmark(name="b")))
    with pytest.raises(ConfigError, match=r"no set of measurements 'elbow'; choose one of: pelvis"):
        with_set(scheme, "elbow")
    with pytest.raises(ConfigError, match=r"nothing of the set knee .* say which of yours is which"):
        with_set(scheme, "knee")
    with pytest.raises(ConfigError, match="'patella'"):
        with_set(scheme, "knee", {"patella": "a"})
    with pytest.raises(ConfigError, match="'zz'"):
        with_set(scheme, "knee", {"femoral_notch": "zz"})


def test_published_means_of_cephalograms_lie_near_those_of_the_challenge() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "isbi2015" / "landmarks.csv"
    if not path.is_file():
        pytest.skip("../shared/data/isbi2015 is not here")
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    columns = rows[0].keys()
    scheme = ceph()
    values = []
    for row in rows:
        if not all(f"{name}_x" in columns for name in FACE):
            pytest.skip("the table is not the wide one")
        values.append(measured(scheme, {n: (float(row[f"{n}_y"]), float(row[f"{n}_x"])) for n in FACE}))
    means = {name: np.mean([v[name] for v in values]) for name in ("SNA", "SNB", "FHI", "jarabak_sum", "facial_angle")}
    assert means == pytest.approx({"SNA": 82, "SNB": 80, "FHI": 0.66, "jarabak_sum": 396, "facial_angle": 88}, rel=0.03)


def test_a_simulated_data_set_from_before_is_still_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measurements change no image: a folder that lacks them, or has others, is not refused."""
    preset = PRESETS["knee-radiograph"]
    (tmp_path / "1.dcm").touch()
    origin = {"simulator": preset.name, "site": "home", "revision": simulation.REVISION, "seed": 0}
    case = Case(id="1", image="1.dcm", split="training", attributes=origin)
    old = preset.scheme.model_copy(update={"measurements": ()})
    LandmarkDataset(scheme=old, cases=[case]).save(tmp_path / "dataset.json")
    before = (tmp_path / "dataset.json").read_bytes()
    monkeypatch.setattr(simulation, "_simulate_all", lambda *args: pytest.fail("simulated again"))
    assert simulation.simulate_dataset(tmp_path, preset.name, count=1, seed=0) == tmp_path / "dataset.json"
    assert (tmp_path / "dataset.json").read_bytes() == before
    fewer = old.model_copy(update={"landmarks": old.landmarks[:-1], "groups": {}})
    LandmarkDataset(scheme=fewer, cases=[case]).save(tmp_path / "dataset.json")
    with pytest.raises(DatasetError, match="another data set"):
        simulation.simulate_dataset(tmp_path, preset.name, count=1, seed=0)
