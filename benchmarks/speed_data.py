"""Made-up inputs of any size and number of landmarks: what is timed does not depend on what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from scipy.ndimage import zoom

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.simulate.dataset import simulate_case

# How each transfer syntax is written: a function of imagecodecs and its options; lossy JPEG 2000 at about 10 : 1.
# RLE and raw are pydicom's.
ENCODERS: dict[UID, tuple[str, dict[str, Any]]] = {
    JPEG2000Lossless: ("jpeg2k_encode", {"level": 0, "reversible": True, "codecformat": "j2k"}),
    JPEG2000: ("jpeg2k_encode", {"level": 86, "codecformat": "j2k"}),
    JPEGLSLossless: ("jpegls_encode", {}),
    JPEGLosslessSV1: ("jpeg8_encode", {"lossless": True, "bitspersample": 12}),
    JPEGExtended12Bit: ("jpeg8_encode", {"level": 95, "bitspersample": 12}),
}
SYNTAXES: tuple[UID, ...] = (*ENCODERS, RLELossless, ExplicitVRLittleEndian)


def make_dataset(folder: Path, count: int, landmarks: int, size: tuple[int, int]) -> Path:
    """A data set file of `count` training images and one for validation, each of noise with random points."""
    generator = np.random.default_rng(0)
    scheme = Scheme(name="made_up", landmarks=tuple(Landmark(name=f"point_{n}") for n in range(landmarks)))
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number in range(count + 1):
        coarse = generator.integers(0, 255, (size[0] // 8, size[1] // 8), dtype=np.uint8)
        Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BILINEAR).save(folder / f"{number}.png")
        places = generator.uniform(0.1, 0.9, (landmarks, 2)) * size[::-1]
        points = {name: (float(x), float(y)) for name, (x, y) in zip(scheme.names, places)}
        cases.append(
            Case(
                id=f"made_{number}",
                image=f"{number}.png",
                size=size,
                split="training" if number < count else "validation",
                spacing_mm=(0.5, 0.5),
                annotations=[Annotation(reader="made_up", points=points)],
            )
        )
    file = folder / "dataset.json"
    LandmarkDataset(scheme=scheme, cases=cases).save(file)
    return file


def write_dicoms(folder: Path, side: int) -> dict[UID, Path]:
    """One simulated pelvis, enlarged to side x side and with the detector's noise, in every transfer syntax."""
    # Not where only `make_dataset` is needed: it is large.
    import imagecodecs

    folder.mkdir(parents=True, exist_ok=True)
    case = simulate_case(folder, "pelvis-radiograph", seed=0, index=0)
    dataset = dcmread(folder / Path(case.image).name)
    small = dataset.pixel_array.astype(np.float32)
    enlarged = zoom(small, (side / small.shape[0], side / small.shape[1]), order=1)
    noise = np.random.default_rng(0).normal(0, 4, enlarged.shape)
    pixels = np.clip(enlarged + noise, 0, 4095).astype(np.uint16)
    dataset.Rows, dataset.Columns = pixels.shape
    files = {}
    for syntax in SYNTAXES:
        dataset.set_pixel_data(pixels, dataset.PhotometricInterpretation, 12)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        if syntax in ENCODERS:
            encode, options = ENCODERS[syntax]
            dataset.PixelData = encapsulate([bytes(getattr(imagecodecs, encode)(pixels, **options))])
            dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
            dataset.file_meta.TransferSyntaxUID = syntax
        elif syntax == RLELossless:
            dataset.compress(syntax, pixels, generate_instance_uid=False)
        files[syntax] = folder / f"{syntax}.dcm"
        dataset.save_as(files[syntax])
    return files
