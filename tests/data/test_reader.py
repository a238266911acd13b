"""Every format through one function, the public radiographs, damage of any kind, and MONAI's LoadImage."""

import csv
import gzip
import subprocess
import sys

import imagecodecs
import nibabel as nib
import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImage, LoadImaged
from PIL import Image

from monai_landmarks.data.radiograph import make_info
from monai_landmarks.data.reader import RadiographReader, read_radiograph
from monai_landmarks.data.spacing import Spacing
from monai_landmarks.errors import ConfigError, ReadError

# LoadImage registers all of MONAI's readers, one of which finds no GPU decoder.
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")

GREY = np.arange(12 * 9, dtype=np.uint8).reshape(12, 9)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)
LUMA = RGB @ np.array([0.299, 0.587, 0.114])
DEEP = GREY.astype(np.uint16) * 600


# --- the public radiographs ------------------------------------------------------------------------------------

# file -> spacing, plane; from index.csv and the rules of docs/reference/reading.md.
PUBLIC = {
    "chest_DX_j2kLossless_MONO1_0.16mm.dcm": ((0.16, 0.16), "detector_plane"),
    "chest_RG1_j2kLossy_15bit_MONO1_PixelSpacing0.dcm": (None, "unknown"),
    "cspine_CR_tiny16x16_6154.dcm": ((0.1, 0.1), "detector_plane"),
    "hand_CR_j2kLossless_0.115mm.dcm": ((0.115, 0.115), "detector_plane"),
    "hip_RG2_j2kLossless.dcm": ((0.2, 0.2), "unspecified"),
    "hip_RG2_jpegExtended12bit.dcm": ((0.2, 0.2), "unspecified"),
    "hip_RG2_jpegExtended_BADMARKER.dcm": ((0.2, 0.2), "unspecified"),
    "hip_RG2_jpegLSlossless.dcm": ((0.2, 0.2), "unspecified"),
    "hip_RG2_jpegLosslessSV1.dcm": ((0.2, 0.2), "unspecified"),
    "hip_RG2_rle.dcm": ((0.2, 0.2), "unspecified"),
    "leg_RG3_jpegLosslessSV1_MONO1.dcm": (None, "unknown"),
    "leg_RG3_rle_MONO1.dcm": (None, "unknown"),
    "vet_DX_MONO1_8bit_INVERSE_anisotropicSpacing.dcm": ((1.2, 1.201199999999), "detector_plane"),
}
SOURCES = {"detector_plane": "ImagerPixelSpacing", "unspecified": "PixelSpacing", "unknown": ""}
# (rows, columns) in air and in bone or the densest part, as fractions; looked up in the pictures by eye.
AIR_AND_BONE = {
    "chest_DX_j2kLossless_MONO1_0.16mm.dcm": ((0.02, 0.02), (0.9, 0.5)),
    "chest_RG1_j2kLossy_15bit_MONO1_PixelSpacing0.dcm": ((0.3, 0.3), (0.9, 0.5)),
    "hand_CR_j2kLossless_0.115mm.dcm": ((0.95, 0.1), (0.72, 0.49)),
    "hip_RG2_j2kLossless.dcm": ((0.9, 0.5), (0.45, 0.4)),
    "leg_RG3_rle_MONO1.dcm": ((0.5, 0.3), (0.2, 0.52)),
    "vet_DX_MONO1_8bit_INVERSE_anisotropicSpacing.dcm": ((0.97, 0.5), (0.2, 0.2)),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_radiographs(name, radiograph_folder):
    with (radiograph_folder / "index.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["file"] == name)
    radiograph = read_radiograph(radiograph_folder / name)
    mm, plane = PUBLIC[name]
    assert radiograph.pixels.shape == (1, int(row["rows"]), int(row["cols"]))
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.spacing == Spacing(mm, SOURCES[plane], plane)
    assert radiograph.info["polarity"] == ("inverted" if row["photometric"] == "MONOCHROME1" else "kept")
    assert (radiograph.info["modality"], radiograph.info["body_part"]) == (row["modality"], row["bodypart"])
    assert radiograph.info["transfer_syntax"] == row["transfer_syntax"]
    if row["min"] and row["rescale"] in ("(None, None)", "('1', '0')", "('1.0', '0.0')"):
        assert (radiograph.pixels.min(), radiograph.pixels.max()) == (float(row["min"]), float(row["max"]))


@pytest.mark.parametrize("name", AIR_AND_BONE)
def test_bone_is_brighter_than_air(name, radiograph_folder):
    pixels = read_radiograph(radiograph_folder / name).pixels[0]

    def around(place):
        row, column = (int(share * size) for share, size in zip(place, pixels.shape))
        return np.median(pixels[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5])

    air, bone = (around(place) for place in AIR_AND_BONE[name])
    assert bone > air + 0.1 * (pixels.max() - pixels.min())


def test_lossless_syntaxes_of_the_hip_and_the_leg_agree(radiograph_folder):
    groups = (
        ("hip_RG2_rle.dcm", "hip_RG2_j2kLossless.dcm", "hip_RG2_jpegLSlossless.dcm", "hip_RG2_jpegLosslessSV1.dcm"),
        ("leg_RG3_rle_MONO1.dcm", "leg_RG3_jpegLosslessSV1_MONO1.dcm"),
    )
    for first, *others in groups:
        expected = read_radiograph(radiograph_folder / first).pixels
        for other in others:
            assert np.array_equal(read_radiograph(radiograph_folder / other).pixels, expected)


# --- rasters ---------------------------------------------------------------------------------------------------


def rasters():
    """name -> (writer, expected grey values)."""
    palette = Image.fromarray(GREY % 4)
    palette.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255, 255, 255, 255])
    palette_luma = np.array([[10, 20, 30], [200, 100, 50], [0, 0, 255], [255, 255, 255]]) @ [0.299, 0.587, 0.114]
    alpha = np.concatenate([RGB, GREY[..., None]], -1)
    return {
        "grey8.png": (lambda p: Image.fromarray(GREY).save(p, format="PNG"), GREY),
        "grey16.png": (lambda p: Image.fromarray(DEEP).save(p, format="PNG"), DEEP),
        "rgb.png": (lambda p: Image.fromarray(RGB).save(p, format="PNG"), LUMA),
        "rgba.png": (lambda p: Image.fromarray(alpha).save(p, format="PNG"), LUMA),
        "grey_alpha.png": (lambda p: Image.fromarray(GREY).convert("LA").save(p, format="PNG"), GREY),
        "bits.png": (lambda p: Image.fromarray(GREY > 50).save(p, format="PNG"), GREY > 50),
        "palette.png": (lambda p: palette.save(p, format="PNG"), palette_luma[GREY % 4]),
        "rgb16.png": (lambda p: p.write_bytes(imagecodecs.png_encode(RGB.astype(np.uint16) * 600)), LUMA * 600),
        "grey8.tif": (lambda p: tifffile.imwrite(p, GREY), GREY),
        "grey16.tif": (lambda p: tifffile.imwrite(p, DEEP, compression="zlib"), DEEP),
        "signed.tif": (lambda p: tifffile.imwrite(p, DEEP.astype(np.int32) - 900), DEEP - 900.0),
        "float.tif": (lambda p: tifffile.imwrite(p, GREY / np.float32(7)), GREY / np.float32(7)),
        "rgb.tif": (lambda p: tifffile.imwrite(p, RGB, photometric="rgb"), LUMA),
        "planes.tif": (
            lambda p: tifffile.imwrite(p, np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"),
            LUMA,
        ),
        "palette.tif": (
            lambda p: tifffile.imwrite(p, GREY, photometric="palette", colormap=ramp_colours()),
            GREY * (0.299 * 100 + 0.587 * 50 + 0.114 * 200),
        ),
        "big.tif": (lambda p: tifffile.imwrite(p, GREY, bigtiff=True), GREY),
        "motorola.tif": (lambda p: tifffile.imwrite(p, DEEP, byteorder=">"), DEEP),
    }


def ramp_colours():
    return (np.arange(256) * np.array([[100], [50], [200]])).astype(np.uint16)


@pytest.mark.parametrize("name", rasters())
def test_rasters(name, tmp_path):
    write, expected = rasters()[name]
    # The content decides, so the name carries no extension.
    path = tmp_path / name.replace(".", "_")
    write(path)
    radiograph = read_radiograph(path)
    assert np.allclose(radiograph.pixels[0], expected, atol=1e-3, rtol=1e-6)
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.spacing == Spacing(None, "", "unknown")
    assert radiograph.info["format"] == ("PNG" if name.endswith("png") else "TIFF")
    assert radiograph.info["polarity_source"] == "assumed bone bright"
    assert radiograph.info.keys() == make_info().keys()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(mode, tmp_path):
    Image.fromarray(np.kron(GREY, np.ones((4, 4), np.uint8))).convert(mode).save(tmp_path / "a.jpg", quality=98)
    radiograph = read_radiograph(tmp_path / "a.jpg")
    assert np.abs(radiograph.pixels[0] - np.kron(GREY, np.ones((4, 4)))).max() < 8
    assert radiograph.info["format"] == "JPEG"


# EXIF 2.32 table 4.6.4.A: where the 0th row and the 0th column of the file are seen.
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.rot90(np.fliplr(a)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.fliplr(a), -1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_orientation_tag(orientation, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    big = np.kron(GREY, np.ones((8, 8), np.uint8))
    if suffix == "tif":
        tifffile.imwrite(path, big, extratags=[(0x0112, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(big).save(path, exif=exif, **({"quality": 98} if suffix == "jpg" else {}))
    found = read_radiograph(path).pixels[0]
    expected = TURNS[orientation](big)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 8


def test_white_is_zero(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, photometric="miniswhite")
    inverted = read_radiograph(path)
    assert np.array_equal(inverted.pixels[0], 107.0 - GREY)
    assert inverted.info["polarity_source"] == "PhotometricInterpretation"
    assert np.array_equal(read_radiograph(path, polarity="keep").pixels[0], GREY)


def test_pages_are_frames(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([GREY, GREY + 1, GREY + 2]), photometric="minisblack")
    radiograph = read_radiograph(path, frame=3)
    assert np.array_equal(radiograph.pixels[0], GREY + 2.0)
    assert (radiograph.info["frame"], radiograph.info["frames"]) == (3, 3)
    with pytest.raises(ReadError, match=r"a\.tif: there is no frame 4, it has 3"):
        read_radiograph(path, frame=4)


def test_a_png_has_one_frame(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    with pytest.raises(ReadError, match=r"a\.png: there is no frame 2, it has 1"):
        read_radiograph(tmp_path / "a.png", frame=2)


def test_users_values_hold_for_every_format(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    radiograph = read_radiograph(tmp_path / "a.png", spacing_mm=(0.3, 0.6), magnification=1.5, polarity="invert")
    assert radiograph.spacing == Spacing((0.3 / 1.5, 0.6 / 1.5), "user spacing / user magnification", "user")
    assert np.array_equal(radiograph.pixels[0], 107.0 - GREY)
    assert np.array_equal(radiograph.affine(), np.diag([0.3 / 1.5, 0.6 / 1.5, 1, 1]))
    assert np.array_equal(read_radiograph(tmp_path / "a.png").affine(), np.eye(4))


# --- NIfTI -----------------------------------------------------------------------------------------------------


def nifti(array, zooms=(0.3, 0.2), unit="mm", kind=nib.Nifti1Image):
    image = kind(array, np.eye(4))
    image.header.set_zooms((*zooms, *[1.0] * (array.ndim - 2)))
    image.header.set_xyzt_units(unit)
    return image.to_bytes()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dims", [2, 3, 4])
def test_nifti(kind, packed, dims, tmp_path):
    # Voxel axes are (column, row, ...).
    array = DEEP.T.astype(np.float32).reshape(9, 12, *[1] * (dims - 2))
    data = nifti(array, kind=kind)
    path = tmp_path / "scan"
    path.write_bytes(gzip.compress(data) if packed else data)
    radiograph = read_radiograph(path)
    assert np.array_equal(radiograph.pixels[0], DEEP)
    assert radiograph.spacing.mm == pytest.approx((0.2, 0.3))
    assert (radiograph.spacing.source, radiograph.spacing.plane) == ("pixdim", "unspecified")
    assert radiograph.info["format"] == "NIfTI"


def test_nifti_slices_are_frames(tmp_path):
    stack = np.arange(9 * 12 * 2 * 3, dtype=np.int16).reshape(9, 12, 2, 3)
    (tmp_path / "a.nii").write_bytes(nifti(stack))
    radiograph = read_radiograph(tmp_path / "a.nii", frame=4, polarity="invert")
    # The third axis runs fastest: frame 4 is slice 2 of volume 2.
    plane = stack[:, :, 1, 1].T.astype(float)
    assert np.array_equal(radiograph.pixels[0], plane.min() + plane.max() - plane)
    assert radiograph.info["frames"] == 6
    with pytest.raises(ReadError, match=r"a\.nii: there is no frame 7"):
        read_radiograph(tmp_path / "a.nii", frame=7)


@pytest.mark.parametrize(
    ("zooms", "unit", "mm"),
    [
        ((300, 200), "micron", (0.2, 0.3)),
        ((0.0003, 0.0002), "meter", (0.2, 0.3)),
        ((0.3, 0.2), "unknown", (0.2, 0.3)),
        ((1, 1), "mm", (1, 1)),
        ((1, 1), "unknown", None),
        ((0, 1), "mm", None),
    ],
)
def test_nifti_spacing(zooms, unit, mm, tmp_path):
    (tmp_path / "a.nii").write_bytes(nifti(DEEP.T.astype(np.float32), zooms, unit))
    spacing = read_radiograph(tmp_path / "a.nii").spacing
    assert spacing.mm == (None if mm is None else pytest.approx(mm, rel=1e-5))
    assert spacing.plane == ("unknown" if mm is None else "unspecified")


def test_nifti_scaling_colour_and_missing_values(tmp_path):
    image = nib.Nifti1Image(DEEP.T.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())
    assert np.allclose(read_radiograph(tmp_path / "a.nii").pixels[0], DEEP.astype(np.int16) * 0.5 - 3)
    colour = np.zeros((9, 12), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for k, name in enumerate("RGB"):
        colour[name] = RGB[..., k].T
    (tmp_path / "b.nii").write_bytes(nib.Nifti1Image(colour, np.eye(4)).to_bytes())
    assert np.allclose(read_radiograph(tmp_path / "b.nii").pixels[0], LUMA, atol=1e-3)
    holes = DEEP.T.astype(np.float32)
    holes[0, 0], holes[1, 0] = np.nan, np.inf
    (tmp_path / "c.nii").write_bytes(nib.Nifti1Image(holes, np.eye(4)).to_bytes())
    found = read_radiograph(tmp_path / "c.nii").pixels[0]
    assert (found[0, :2] == 1200).all()
    assert np.array_equal(found[1:], DEEP[1:])
    (tmp_path / "d.nii").write_bytes(nib.Nifti1Image(np.full((3, 4), np.nan, np.float32), np.eye(4)).to_bytes())
    with pytest.raises(ReadError, match=r"d\.nii: no pixel holds a finite number"):
        read_radiograph(tmp_path / "d.nii")


# --- what cannot be read ---------------------------------------------------------------------------------------


def test_files_that_are_no_images(tmp_path):
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "text.dcm").write_text("These are my notes.\n" * 100)
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8b not gzip at all")
    (tmp_path / "line.nii").write_bytes(nib.Nifti1Image(np.zeros(7, np.float32), np.eye(4)).to_bytes())
    (tmp_path / "folder").mkdir()
    expected = {
        "empty.dcm": "the file is empty",
        "text.dcm": "neither DICOM, PNG, JPEG, TIFF nor NIfTI",
        "bad.nii.gz": "neither DICOM, PNG, JPEG, TIFF nor NIfTI",
        "line.nii": "there is no frame 1",
        "folder": "this is a folder",
        "missing.dcm": "cannot be opened",
    }
    for name, message in expected.items():
        with pytest.raises(ReadError, match=f"{name}: {message}") as caught:
            read_radiograph(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_impossible_arguments_are_named(make_dicom):
    with pytest.raises(ConfigError, match="polarity: 'inverted'"):
        read_radiograph(make_dicom(), polarity="inverted")
    with pytest.raises(ConfigError, match="spacing_mm"):
        read_radiograph(make_dicom(), spacing_mm=(0, 0))


def victims(dicom, tmp_path):
    """One small file of each kind."""
    for suffix, encode in dicom.streams.items():
        pixels = dicom.picture()
        if suffix.endswith(".50"):
            pixels = (pixels >> 4).astype(np.uint8)
        if not suffix.endswith("110"):
            ds = dicom.compress(dicom.dataset(pixels), suffix, encode)
            ds.save_as(tmp_path / f"{suffix}.dcm", enforce_file_format=True)
    dicom.dataset(dicom.picture()).save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    for name in ("grey16.png", "rgb16.png", "palette.png", "grey16.tif", "rgb.tif"):
        rasters()[name][0](tmp_path / name)
    Image.fromarray(GREY).save(tmp_path / "grey.jpg")
    (tmp_path / "scan.nii").write_bytes(nifti(DEEP.T.astype(np.float32)))
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(nifti(DEEP.T.astype(np.float32))))
    return sorted(tmp_path.iterdir())


def test_damage_gives_one_error_or_an_image_and_no_noise(dicom, tmp_path, capfd, caplog):
    """Cut short at many places and with bytes flipped, a file never raises anything but ReadError."""
    generator = np.random.default_rng(0)
    messages = []
    for original in victims(dicom, tmp_path):
        content = original.read_bytes()
        shape = read_radiograph(original).pixels.shape
        for k in range(36):
            damaged = bytearray(content)
            if k % 3 == 0:
                damaged = damaged[: generator.integers(1, len(content))]
            else:
                # The header is the first half of these small files.
                reach = len(content) if k % 3 == 1 else min(len(content), 700)
                for at in generator.integers(0, reach, generator.integers(1, 6)):
                    damaged[at] = generator.integers(256)
            original.write_bytes(bytes(damaged))
            try:
                assert read_radiograph(original).pixels.ndim == len(shape)
            except ReadError as error:
                messages.append((original.name, str(error)))
    assert len(messages) > 200
    assert all(name in text and "\n" not in text and "Secret" not in text for name, text in messages)
    noise = capfd.readouterr()
    assert (noise.out, noise.err, caplog.text) == ("", "", "")


def test_impossible_sizes_are_refused_before_memory_is_asked_for(make_dicom, tmp_path):
    path = make_dicom(change=lambda ds: [setattr(ds, keyword, 65535) for keyword in ("Rows", "Columns")] and None)
    with pytest.raises(ReadError, match=r"image\.dcm: its header is damaged, it states 65535 x 65535 pixels"):
        read_radiograph(path)
    for name, width, height in (("wide.tif", 60000, 60000), ("long.tif", 16000, 16000)):
        tifffile.imwrite(tmp_path / name, GREY, photometric="minisblack")
        content = (tmp_path / name).read_bytes()
        for tag, old, new in ((256, 9, width), (257, 12, height)):
            entry = [tag.to_bytes(2, "little") + kind.to_bytes(2, "little") for kind in (3, 4)]
            at = max(content.find(head) for head in entry) + 8
            assert content[at] == old
            content = content[:at] + new.to_bytes(2, "little") + content[at + 2 :]
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match=rf"{name}: its header is damaged"):
            read_radiograph(tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_never_half_an_image(share, dicom, tmp_path):
    for original in victims(dicom, tmp_path):
        content = original.read_bytes()
        # The last bytes may be none of the image: DICOM's delimiter, gzip's checksum, PNG's end mark.
        original.write_bytes(content[: min(int(len(content) * share), len(content) - 30)])
        with pytest.raises(ReadError, match=original.name):
            read_radiograph(original)


def test_a_damaged_jpeg_stream_does_not_end_the_process(dicom, tmp_path):
    """gdcm aborts on this one, which no except clause would catch: hence a process of its own."""
    ds = dicom.dataset((dicom.picture() >> 4).astype(np.uint8))
    dicom.compress(ds, "1.2.840.10008.1.2.4.50", dicom.streams["1.2.840.10008.1.2.4.50"])
    path = tmp_path / "a.dcm"
    ds.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    # The first byte of the quantisation table's marker.
    marker = content.index(b"\xff\xdb")
    path.write_bytes(content[:marker] + b"\x00" + content[marker + 1 :])
    code = f"from monai_landmarks.data.reader import read_radiograph; read_radiograph({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ReadError" in done.stderr


# --- MONAI -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reader", [RadiographReader, RadiographReader(), "monai_landmarks.data.reader.RadiographReader"]
)
@pytest.mark.parametrize("first", [True, False])
def test_load_image_gives_the_same(reader, first, make_dicom):
    path = make_dicom(PhotometricInterpretation="MONOCHROME1", PixelSpacing=[0.2, 0.3])
    expected = read_radiograph(path)
    image = LoadImage(reader=reader, ensure_channel_first=first)(path)
    assert isinstance(image, MetaTensor)
    assert np.array_equal(image.numpy(), expected.pixels)
    assert torch.equal(image.affine, torch.from_numpy(expected.affine()))
    assert image.affine.dtype == torch.float64
    assert {name: image.meta[name] for name in expected.info} == expected.info
    assert image.meta["spacing_plane"] == "unspecified"


def test_load_imaged_with_settings(make_dicom):
    path = make_dicom()
    load = Compose(
        [
            LoadImaged("image", reader="monai_landmarks.data.reader.RadiographReader", spacing_mm=(0.5, 0.25)),
            EnsureChannelFirstd("image"),
        ]
    )
    image = load({"image": str(path)})["image"]
    assert image.shape == (1, 24, 18)
    assert torch.equal(image.affine.diagonal(), torch.tensor([0.5, 0.25, 1, 1], dtype=torch.float64))


def test_several_files_are_channels(make_dicom, dicom):
    paths = [make_dicom(name="a.dcm"), make_dicom(dicom.picture() + 1, name="b.dcm")]
    image = LoadImage(reader=RadiographReader(), ensure_channel_first=True)(paths)
    assert np.array_equal(image.numpy(), np.stack([dicom.picture(), dicom.picture() + 1]))
    small = make_dicom(dicom.picture(8, 9), name="c.dcm")
    with pytest.raises(ReadError, match=r"b\.dcm.*c\.dcm: images of different sizes"):
        LoadImage(reader=RadiographReader())([paths[1], small])


def test_a_file_we_refuse_is_read_by_no_other_reader(make_dicom):
    """MONAI's own readers would take a Segmentation, and a MONOCHROME1 image without inverting it."""
    path = make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    with pytest.raises(ReadError, match="not a radiograph"):
        LoadImage(reader=RadiographReader())(path)


def test_every_suffix_is_ours():
    assert RadiographReader().verify_suffix("IM000001")
