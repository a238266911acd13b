"""Stored values to a bone-bright image: decoding, modality, VOI, padding, polarity."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from monai_landmarks.data.decode import stream_size
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.errors import ReadError, UnsupportedObjectError

LOSSLESS = ("57", "70", "80", "90", "201", "110")
LOSSY = {"51": 4, "81": 2, "91": 200}


def lut(values, first, bits=16):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, bits])
    item.add_new("LUTData", "US", [int(value) for value in values])
    return Sequence([item])


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("frames", [1, 3])
def test_lossless_syntaxes_give_the_stored_values(suffix, frames, make_dicom, dicom):
    stack = np.stack([np.roll(dicom.picture(), k, axis=0) for k in range(frames)])
    syntax = f"1.2.840.10008.1.2.4.{suffix}"
    path = make_dicom(
        stack if frames > 1 else stack[0], change=lambda ds: dicom.compress(ds, syntax, dicom.streams[syntax])
    )
    radiograph = read_radiograph(path, frame=frames)
    assert np.array_equal(radiograph.pixels[0], stack[-1].astype(np.float32))
    assert radiograph.info["frames"] == frames


def test_rle(make_dicom, dicom):
    path = make_dicom(change=lambda ds: dicom.compress(ds, "1.2.840.10008.1.2.5", None))
    assert np.array_equal(read_radiograph(path).pixels[0], dicom.picture())


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_syntaxes_come_close(suffix, make_dicom, dicom):
    syntax = f"1.2.840.10008.1.2.4.{suffix}"
    path = make_dicom(change=lambda ds: dicom.compress(ds, syntax, dicom.streams[syntax]))
    assert np.abs(read_radiograph(path).pixels[0] - dicom.picture()).max() <= LOSSY[suffix]


@pytest.mark.parametrize("suffix", ["50", "51"])
def test_eight_bit_jpeg(suffix, make_dicom, dicom):
    pixels = (dicom.picture() >> 4).astype(np.uint8)
    encode = dicom.streams["1.2.840.10008.1.2.4.50"]
    path = make_dicom(pixels, change=lambda ds: dicom.compress(ds, f"1.2.840.10008.1.2.4.{suffix}", encode))
    assert np.abs(read_radiograph(path).pixels[0] - pixels).max() <= 8


@pytest.mark.parametrize("suffix", ["57", "70", "80"])
def test_signed_values_in_streams_without_a_sign(suffix, make_dicom, dicom):
    signed = dicom.picture().astype(np.int16) - 1500
    syntax = f"1.2.840.10008.1.2.4.{suffix}"

    def encode(frame):
        return dicom.streams[syntax]((frame.astype(np.int64) & 0xFFF).astype(np.uint16))

    path = make_dicom(signed, change=lambda ds: dicom.compress(ds, syntax, encode))
    assert np.array_equal(read_radiograph(path).pixels[0], signed)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(syntax, make_dicom, dicom):
    path = make_dicom(syntax=syntax)
    assert np.array_equal(read_radiograph(path).pixels[0], dicom.picture())


def test_big_endian(tmp_path, dicom):
    ds = dicom.dataset(dicom.picture(), syntax=ExplicitVRBigEndian)
    ds.PixelData = dicom.picture().astype(">u2").tobytes()
    ds.save_as(tmp_path / "big.dcm", enforce_file_format=True)
    assert np.array_equal(read_radiograph(tmp_path / "big.dcm").pixels[0], dicom.picture())


@pytest.mark.parametrize("implicit", [True, False])
def test_file_without_preamble_and_meta_information(implicit, tmp_path, dicom):
    ds = dicom.dataset(dicom.picture())
    del ds.file_meta
    ds.save_as(tmp_path / "bare", implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    assert (tmp_path / "bare").read_bytes()[128:132] != b"DICM"
    assert np.array_equal(read_radiograph(tmp_path / "bare").pixels[0], dicom.picture())


def test_bits_outside_the_stored_ones_are_ignored(make_dicom, dicom):
    overlay = dicom.picture() | 0xF000
    assert np.array_equal(read_radiograph(make_dicom(overlay)).pixels[0], dicom.picture())
    shifted = (dicom.picture() << 4) | 0xF
    high = make_dicom(shifted, name="high.dcm", HighBit=15)
    assert np.array_equal(read_radiograph(high).pixels[0], dicom.picture())


def test_signed_values(make_dicom, dicom):
    signed = dicom.picture().astype(np.int16) - 1500
    assert np.array_equal(read_radiograph(make_dicom(signed)).pixels[0], signed)
    high = ((signed.astype(np.int64) & 0xFFF) << 4).astype(np.uint16).view(np.int16)
    assert np.array_equal(read_radiograph(make_dicom(high, name="high.dcm", HighBit=15)).pixels[0], signed)


def test_thirty_two_bit_integers_and_floats(make_dicom, dicom):
    wide = dicom.picture().astype(np.uint32) * 1000
    assert np.array_equal(read_radiograph(make_dicom(wide, bits_stored=32)).pixels[0], wide.astype(np.float32))

    def to_float(ds):
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        ds.BitsAllocated = 32
        ds.FloatPixelData = values.tobytes()

    values = (dicom.picture() / 7).astype(np.float32)
    values[0, 0] = np.nan
    found = read_radiograph(make_dicom(name="float.dcm", change=to_float)).pixels[0]
    assert np.array_equal(found.ravel()[1:], values.ravel()[1:])
    assert found[0, 0] == values.ravel()[1:].min()


def test_rescale(make_dicom, dicom):
    path = make_dicom(RescaleSlope="0.5", RescaleIntercept="-100")
    assert np.allclose(read_radiograph(path).pixels[0], dicom.picture() * 0.5 - 100)


def test_modality_lut(make_dicom, dicom):
    table = np.floor(np.sqrt(np.arange(1500)) * 1000)
    path = make_dicom(ModalityLUTSequence=lut(table, 50), RescaleSlope="7")
    # Values below the first and above the last entry get that entry.
    expected = table[np.clip(dicom.picture().astype(int) - 50, 0, 1499)]
    assert np.array_equal(read_radiograph(path).pixels[0], expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_lut_stored_as_words_or_bytes(bits, make_dicom, dicom):
    table = np.arange(4096) // 16
    sequence = lut(table, 0, bits)
    sequence[0].add_new("LUTData", "OW", table.astype("u1" if bits == 8 else "<u2").tobytes())
    path = make_dicom(ModalityLUTSequence=sequence)
    assert np.array_equal(read_radiograph(path).pixels[0], table[dicom.picture()])


def test_lut_that_is_too_short_is_an_error(make_dicom):
    sequence = lut(np.arange(100), 0)
    sequence[0].LUTDescriptor = [4096, 0, 16]
    with pytest.raises(ReadError, match="ModalityLUTSequence is malformed"):
        read_radiograph(make_dicom(ModalityLUTSequence=sequence))


def test_slope_that_makes_no_sense_is_ignored(make_dicom, dicom):
    path = make_dicom(RescaleSlope="0", RescaleIntercept="5")
    assert np.array_equal(read_radiograph(path).pixels[0], dicom.picture())


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_malformed_lut_is_one_error(keyword, make_dicom):
    path = make_dicom(**{keyword: Sequence([Dataset()])})
    with pytest.raises(ReadError, match=r"image\.dcm.*LUTSequence is malformed"):
        read_radiograph(path, voi=True)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (None, lambda x, c, w: np.clip((x - (c - 0.5)) / (w - 1) + 0.5, 0, 1)),
        ("LINEAR_EXACT", lambda x, c, w: np.clip((x - c) / w + 0.5, 0, 1)),
        ("SIGMOID", lambda x, c, w: 1 / (1 + np.exp(-4 * (x - c) / w))),
    ],
)
def test_window(function, expected, make_dicom, dicom):
    tags = {"WindowCenter": ["1000", "3"], "WindowWidth": ["1500", "4"], "RescaleSlope": "2", "RescaleIntercept": "7"}
    path = make_dicom(**tags, **({"VOILUTFunction": function} if function else {}))
    assert np.allclose(
        read_radiograph(path, voi=True).pixels[0], expected(dicom.picture() * 2 + 7.0, 1000, 1500), atol=1e-6
    )
    assert np.array_equal(read_radiograph(path).pixels[0], dicom.picture() * 2 + 7)


def test_window_of_width_one_is_a_step(make_dicom, dicom):
    path = make_dicom(WindowCenter="1000", WindowWidth="1")
    assert np.array_equal(read_radiograph(path, voi=True).pixels[0], dicom.picture() >= 1000)


def test_voi_lut_wins_over_the_window(make_dicom, dicom):
    table = np.arange(4096)[::-1] // 16
    path = make_dicom(VOILUTSequence=lut(table, 0, bits=8), WindowCenter="1000", WindowWidth="1500")
    assert np.allclose(read_radiograph(path, voi=True).pixels[0], table[dicom.picture()] / 255)


def test_without_voi_tags_voi_changes_nothing(make_dicom, dicom):
    assert np.array_equal(read_radiograph(make_dicom(), voi=True).pixels[0], dicom.picture())
    path = make_dicom(name="zero.dcm", WindowCenter="10", WindowWidth="0")
    assert np.array_equal(read_radiograph(path, voi=True).pixels[0], dicom.picture())


def test_padding_becomes_the_darkest_valid_value(make_dicom, dicom):
    pixels = dicom.picture() + 100
    pixels[:3] = 4095
    pixels[3, :2] = 4001
    valid = np.ones(pixels.shape, bool)
    valid[:3] = False
    valid[3, :2] = False
    tags = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000}
    kept = read_radiograph(make_dicom(pixels, **tags)).pixels[0]
    assert np.array_equal(kept[valid], pixels[valid])
    assert (kept[~valid] == pixels[valid].min()).all()
    inverted = read_radiograph(make_dicom(pixels, PhotometricInterpretation="MONOCHROME1", **tags)).pixels[0]
    low, high = int(pixels[valid].min()), int(pixels[valid].max())
    assert np.array_equal(inverted[valid], low + high - pixels[valid].astype(float))
    assert (inverted[~valid] == low).all()


def test_an_image_that_is_all_padding_stays(make_dicom):
    path = make_dicom(np.full((4, 5), 7, np.uint16), PixelPaddingValue=7)
    assert (read_radiograph(path).pixels == 7).all()


# tags -> inverted?, source; with a picture that is bone bright as it is stored, unless inverted.
POLARITIES = {
    "as shown": ({}, False, "PhotometricInterpretation"),
    "monochrome 1": ({"PhotometricInterpretation": "MONOCHROME1"}, True, "PhotometricInterpretation"),
    "inverse says the same": (
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        True,
        "PhotometricInterpretation",
    ),
    "identity says the same": ({"PresentationLUTShape": "IDENTITY"}, False, "PhotometricInterpretation"),
    "inverse on monochrome 2": (
        {"PresentationLUTShape": "INVERSE"},
        False,
        "PhotometricInterpretation (PresentationLUTShape INVERSE contradicts)",
    ),
    "the sign is not asked for presentation": (
        {"Modality": "DX", "PresentationIntentType": "FOR PRESENTATION", "PixelIntensityRelationshipSign": 1},
        False,
        "PhotometricInterpretation",
    ),
    "for processing, X-ray low where bone is": (
        {"Modality": "DX", "PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationshipSign": 1},
        True,
        "PixelIntensityRelationshipSign",
    ),
    "for processing, values high where bone is": (
        {
            "PresentationIntentType": "FOR PROCESSING",
            "PixelIntensityRelationshipSign": -1,
            "PhotometricInterpretation": "MONOCHROME1",
        },
        False,
        "PixelIntensityRelationshipSign",
    ),
    "for processing without a sign": (
        {"PresentationIntentType": "FOR PROCESSING", "PhotometricInterpretation": "MONOCHROME1"},
        True,
        "PhotometricInterpretation",
    ),
    "for processing, falling rescale": (
        {
            "PresentationIntentType": "FOR PROCESSING",
            "PixelIntensityRelationshipSign": 1,
            "RescaleSlope": "-1",
            "RescaleIntercept": "4095",
        },
        False,
        "PixelIntensityRelationshipSign",
    ),
    "fluoroscopy with a sign": (
        {"Modality": "RF", "PixelIntensityRelationshipSign": -1},
        False,
        "PixelIntensityRelationshipSign",
    ),
    "fluoroscopy": ({"Modality": "RF"}, True, "assumed: XA and RF store bone dark"),
    "angiography, monochrome 1": (
        {"Modality": "XA", "PhotometricInterpretation": "MONOCHROME1"},
        True,
        "assumed: XA and RF store bone dark",
    ),
    "nonsense sign": (
        {"Modality": "XA", "PixelIntensityRelationshipSign": 5},
        True,
        "assumed: XA and RF store bone dark",
    ),
}


@pytest.mark.parametrize("rule", POLARITIES)
def test_polarity(rule, make_dicom, dicom):
    tags, inverted, source = POLARITIES[rule]
    radiograph = read_radiograph(make_dicom(**tags))
    assert radiograph.info["polarity"] == ("inverted" if inverted else "kept")
    assert radiograph.info["polarity_source"] == source
    stored = dicom.picture().astype(float)
    if "RescaleSlope" in tags:
        stored = 4095 - stored
    low, high = stored.min(), stored.max()
    assert np.array_equal(radiograph.pixels[0], low + high - stored if inverted else stored)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_users_polarity_is_final(photometric, make_dicom, dicom):
    path = make_dicom(PhotometricInterpretation=photometric)
    stored = dicom.picture().astype(float)
    keep = read_radiograph(path, polarity="keep")
    assert np.array_equal(keep.pixels[0], stored)
    invert = read_radiograph(path, polarity="invert")
    assert np.array_equal(invert.pixels[0], stored.min() + stored.max() - stored)
    assert (keep.info["polarity_source"], invert.info["polarity"]) == ("user", "inverted")


def test_colour_becomes_grey(make_dicom, dicom):
    rgb = np.stack([dicom.picture() >> 4, dicom.picture() >> 5, 255 - (dicom.picture() >> 4)], -1).astype(np.uint8)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    radiograph = read_radiograph(make_dicom(rgb))
    assert np.allclose(radiograph.pixels[0], luma, atol=1e-3)
    assert radiograph.info["polarity_source"] == "colour image, taken as shown"


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.4.80"])
def test_ybr_gives_its_y(syntax, make_dicom, dicom):
    y = (dicom.picture() >> 4).astype(np.uint8)
    ybr = np.stack([y, np.full_like(y, 100), np.full_like(y, 160)], -1)

    def change(ds):
        if syntax:
            dicom.compress(ds, syntax, dicom.streams[syntax])
        ds.PhotometricInterpretation = "YBR_FULL"

    # Converted to RGB, bright and dark ends are clipped; between them Y is the grey value.
    found = read_radiograph(make_dicom(ybr, change=change)).pixels[0]
    middle = (y > 60) & (y < 200)
    assert middle.any()
    assert np.abs(found - y)[middle].max() <= 1.5


def test_palette(make_dicom):
    index = np.arange(12, dtype=np.uint8).reshape(3, 4)

    def change(ds):
        ds.PhotometricInterpretation = "PALETTE COLOR"
        for name, factor in (("Red", 100), ("Green", 200), ("Blue", 300)):
            setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [16, 0, 16])
            table = (np.arange(16) * factor).astype("<u2").tobytes()
            setattr(ds, f"{name}PaletteColorLookupTableData", table)

    luma = index * (0.299 * 100 + 0.587 * 200 + 0.114 * 300)
    assert np.allclose(read_radiograph(make_dicom(index, change=change)).pixels[0], luma, rtol=1e-5)


def test_frames_count_from_one(make_dicom, dicom):
    stack = np.stack([dicom.picture(), dicom.picture() + 5])
    path = make_dicom(stack)
    assert np.array_equal(read_radiograph(path).pixels[0], stack[0])
    assert np.array_equal(read_radiograph(path, frame=2).pixels[0], stack[1])
    for frame in (0, 3):
        with pytest.raises(ReadError, match=r"image\.dcm: there is no frame \d, it has 2"):
            read_radiograph(path, frame=frame)


def test_what_is_kept_of_the_header(make_dicom):
    meaning = Dataset()
    meaning.CodeMeaning = "antero-posterior"
    path = make_dicom(
        Laterality="L",
        ImageLaterality="R",
        BodyPartExamined="HIP",
        PatientOrientation=["L", "F"],
        BurnedInAnnotation="YES",
        ViewCodeSequence=Sequence([meaning]),
    )
    info = read_radiograph(path).info
    expected = {
        "modality": "CR",
        "photometric_interpretation": "MONOCHROME2",
        "polarity": "kept",
        "polarity_source": "PhotometricInterpretation",
        "transfer_syntax": "Explicit VR Little Endian",
        "laterality": "R",
        "view": "antero-posterior",
        "body_part": "HIP",
        "orientation": "L\\F",
        "frame": 1,
        "frames": 1,
        "burned_in_annotation": "YES",
        "format": "DICOM",
    }
    assert info == expected


def test_no_identifier_leaves_the_reader(make_dicom, dicom):
    radiograph = read_radiograph(make_dicom())
    text = repr(radiograph.info) + repr(radiograph.spacing)
    assert not any(secret in text for secret in dicom.secrets.values())


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection Document"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"),
        ("1.2.840.10008.1.3.10", "DICOMDIR"),
        ("1.2.3.4", "unknown kind"),
    ],
)
def test_other_objects_are_named(uid, name, make_dicom):
    def change(ds):
        del ds.PixelData, ds.Rows, ds.Columns
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid

    with pytest.raises(UnsupportedObjectError, match=rf"image\.dcm: not a radiograph \(.*{name}"):
        read_radiograph(make_dicom(change=change))


def test_segmentations_have_pixels_but_no_picture(make_dicom):
    path = make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    with pytest.raises(UnsupportedObjectError, match="Segmentation"):
        read_radiograph(path)


def drop(*keywords):
    def change(ds):
        for keyword in keywords:
            delattr(ds, keyword)

    return change


def cut_stream(keep, pad=b""):
    def change(ds):
        from pydicom.encaps import encapsulate, get_frame

        stream = get_frame(ds.PixelData, 0, number_of_frames=1)
        ds.PixelData = encapsulate([stream[: int(len(stream) * keep)] + pad])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("PixelData"), "no pixel data"),
        (drop("Rows"), "lacks Rows"),
        (drop("BitsStored", "PixelRepresentation"), "lacks BitsStored, PixelRepresentation"),
        (lambda ds: setattr(ds, "Rows", 999), "damaged or cut short: The number of bytes"),
        (lambda ds: setattr(ds, "PixelData", b""), "damaged or cut short"),
        (lambda ds: setattr(ds, "PhotometricInterpretation", "NONSENSE"), "damaged"),
    ],
)
def test_broken_headers_are_one_error(change, message, make_dicom):
    with pytest.raises(ReadError, match=rf"image\.dcm.*{message}"):
        read_radiograph(make_dicom(change=change))


@pytest.mark.parametrize(
    ("written", "claimed", "error", "message"),
    [
        ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", UnsupportedObjectError, "no decoder .* MPEG-4"),
        ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.999", UnsupportedObjectError, "no decoder"),
        ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", ReadError, "damaged or cut short: the decoder gives up"),
    ],
)
def test_a_syntax_that_is_not_so_is_one_error(written, claimed, error, message, make_dicom, dicom):
    path = make_dicom(change=lambda ds: dicom.compress(ds, written, dicom.streams[written]))
    path.write_bytes(path.read_bytes().replace(written.encode(), claimed.encode()))
    with pytest.raises(error, match=rf"image\.dcm.*{message}"):
        read_radiograph(path)


def test_damaged_run_length_code(make_dicom, dicom):
    path = make_dicom(change=lambda ds: dicom.compress(ds, "1.2.840.10008.1.2.5", None))
    content = path.read_bytes()
    start = content.rindex(b"\xfe\xff\x00\xe0") + 8
    path.write_bytes(content[:start] + b"\x07" + content[start + 1 :])
    with pytest.raises(ReadError, match=r"image\.dcm.*RLE.*damaged or cut short: the decoder gives up"):
        read_radiograph(path)


@pytest.mark.parametrize("suffix", ["51", "57", "70", "80", "90", "201", "110"])
def test_streams_that_are_cut_short_are_errors(suffix, make_dicom, dicom):
    syntax = f"1.2.840.10008.1.2.4.{suffix}"

    def change(ds):
        dicom.compress(ds, syntax, dicom.streams[syntax])
        cut_stream(0.6)(ds)

    with pytest.raises(ReadError, match=r"image\.dcm: the pixel data \(.*cut short"):
        read_radiograph(make_dicom(change=change))


def test_padding_after_the_end_of_a_stream_is_allowed(make_dicom, dicom):
    syntax = "1.2.840.10008.1.2.4.70"

    def change(ds):
        dicom.compress(ds, syntax, dicom.streams[syntax])
        cut_stream(1, b"\xff\x00\x00\x00")(ds)

    assert np.array_equal(read_radiograph(make_dicom(change=change)).pixels[0], dicom.picture())


@pytest.mark.parametrize("suffix", ["51", "80", "90", "110"])
def test_a_stream_of_another_size_is_an_error(suffix, make_dicom, dicom):
    syntax = f"1.2.840.10008.1.2.4.{suffix}"

    def change(ds):
        dicom.compress(ds, syntax, dicom.streams[syntax])
        ds.Rows += 1

    path = make_dicom(change=change, name="a.dcm")
    with pytest.raises(ReadError, match=r"a\.dcm.*codes \(24, 18\) pixels, the header says \(25, 18\)"):
        read_radiograph(path)


def test_size_of_a_stream():
    app = b"\xff\xe0\x00\x04ab"
    frame = b"\xff\xc1\x00\x0b\x0c\x01\x02\x03\x04\x01\x01\x11\x00"
    assert stream_size(b"\xff\xd8" + app + b"\xff" + frame) == (0x0102, 0x0304)
    assert stream_size(b"\xff\xd8" + app) is None
    assert stream_size(b"something else entirely") is None
