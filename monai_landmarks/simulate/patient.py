"""Attenuation of a whole patient in a view of the pelvis or the hip."""

from __future__ import annotations

import numpy as np

from monai_landmarks.simulate.anatomy import Anatomy, Range
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.skeleton import Texture, skeleton_attenuation, uneven_density
from monai_landmarks.simulate.soft_tissue import MUSCLE, Habitus, bowel_gas, calcifications, soft_tissue_attenuation
from monai_landmarks.simulate.spine import axial_attenuation
from monai_landmarks.simulate.texture import oriented_grain, smooth_noise


def patient_attenuation(
    projection: Projection,
    anatomy: Anatomy,
    build: Range,
    rng: np.random.Generator,
    cover: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Line integrals (rows, columns) of the whole patient, and the body's thickness in mm.

    Args:
        projection: the view.
        anatomy: the patient's bones.
        build: scale of the trunk.
        rng: random numbers.
        cover: a point (3,) that bowel gas is put over.
    """
    shape = projection.shape
    texture = Texture(oriented_grain(shape, 1.9 / projection.spacing, rng), smooth_noise(shape, 7.0, rng))
    soft, body = soft_tissue_attenuation(projection, anatomy, Habitus.draw(rng, build), rng)
    bones = skeleton_attenuation(projection, anatomy, texture, rng)
    bones = uneven_density(shape, rng) * (bones + axial_attenuation(projection, anatomy.pelvis, texture, rng))
    gas = bowel_gas(projection, anatomy, rng, cover)
    total = soft + bones + calcifications(projection, anatomy, rng) - MUSCLE * np.minimum(gas, 0.6 * body)
    return np.maximum(total, 0).astype(np.float32), body
