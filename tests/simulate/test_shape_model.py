from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate import shape_model
from monai_landmarks.simulate.anatomy import PoseRanges, draw_anatomy
from monai_landmarks.simulate.mesh import fit_sphere
from monai_landmarks.simulate.shape_model import ArrayUnpickler, load_shape_model


def test_arrays_pass_the_unpickler_and_code_does_not() -> None:
    content = {"mean": np.arange(4.0), "weights": np.float64(2.5), "sizes": None}
    loaded = ArrayUnpickler(io.BytesIO(pickle.dumps(content, protocol=4))).load()
    np.testing.assert_array_equal(loaded["mean"], content["mean"])
    assert loaded["weights"] == 2.5
    for harmful in (os.system, print, np.load):
        with pytest.raises(pickle.UnpicklingError, match="not allowed"):
            ArrayUnpickler(io.BytesIO(pickle.dumps(harmful))).load()


def test_every_bone_is_closed_and_faces_outward() -> None:
    model = load_shape_model(("pelvis", "femur", "patella", "tibia"))
    # Litres of bone an adult has: loose bounds that a wrong element order would miss.
    bounds = {"pelvis": (6e5, 1.1e6), "femur": (3.5e5, 6.5e5), "patella": (8e3, 3e4), "tibia": (2.5e5, 5.5e5)}
    for bone, (low, high) in bounds.items():
        surface = model.templates[bone].surface(model.mean[bone])
        edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
        assert (np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)[1] == 2).all(), bone
        assert low < surface.volume < high, bone


def test_coefficients_are_cut_and_scaled() -> None:
    model = load_shape_model()
    drawn = np.array([model.draw(np.random.default_rng(k), 0.5) for k in range(200)])
    assert np.abs(drawn).max() == pytest.approx(1.0)
    assert (drawn[:, 10:] == 0).all()
    one = np.zeros(len(model.variances))
    one[0] = 1.0
    shift = model.nodes("pelvis", one) - model.mean["pelvis"]
    np.testing.assert_allclose(shift, model.modes["pelvis"][..., 0] * np.sqrt(model.variances[0]))


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape_model, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"musculoskeletal-models.*pip install .*\[demo\]"):
        shape_model.package_folder()


def test_damaged_model_files_are_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shape_models").mkdir()
    (tmp_path / "shape_models" / "LLP26_rigid.pc").write_bytes(pickle.dumps({"mean": np.zeros(3)}))
    monkeypatch.setattr(shape_model, "package_folder", lambda: tmp_path)
    with pytest.raises(ConfigError, match=r"musculoskeletal-models 0\.2\.4"):
        load_shape_model.__wrapped__(("pelvis",))


def test_heads_sit_in_their_sockets_and_the_sides_differ() -> None:
    model = load_shape_model()
    for seed in range(4):
        anatomy = draw_anatomy(model, PoseRanges(), np.random.default_rng(seed))
        left, right = anatomy.femurs["left"], anatomy.femurs["right"]
        assert left.surface.volume > 0
        assert right.surface.volume > 0
        assert anatomy.head_centres["left"][0] > 50
        assert anatomy.head_centres["right"][0] < -50
        for side, elements in (("right", (36, 38, 39, 40, 41, 42)), ("left", (109, 111, 112, 113, 114, 115))):
            socket, radius = fit_sphere(anatomy.pelvis.vertices_of(elements))
            np.testing.assert_allclose(anatomy.head_centres[side], socket, atol=1e-6)
            assert 1.0 < radius - anatomy.head_radii[side] < 7.0
        # Not mirror images: superimposed at the heads, some surface point is millimetres from its twin.
        twin = (right.surface.vertices - anatomy.head_centres["right"]) * [-1, 1, 1]
        apart = np.linalg.norm(left.surface.vertices - anatomy.head_centres["left"] - twin, axis=1)
        assert apart.max() > 3.0
        assert abs(left.surface.volume / right.surface.volume - 1) > 1e-3
