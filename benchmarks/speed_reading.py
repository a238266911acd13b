"""Reading a radiograph and bringing it to the network's input, against the decoder of its pixels alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from interleaved import Pairs, interleave
from monai.bundle import ConfigParser
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import UID
from speed_data import write_dicoms
from speed_row import Row, paired

from monai_landmarks.data.decode import DECODERS, JPEG_2000
from monai_landmarks.sharing.bundles import shipped_bundles

# Times the decoder for JPEG 2000, milliseconds above it for the others; of 2000 x 2000 pixels.
RATIO, ABOVE = 1.3, 80.0


def preprocessing(input_size: tuple[int, int]) -> Callable[[dict[str, str]], object]:
    """What the shipped inference.yaml does to an image."""
    parser = ConfigParser()
    parser.read_config(str(shipped_bundles()["label_augmentation"] / "configs" / "inference.yaml"))
    parser.update({"spatial_size": list(input_size), "bundle_root": "."})
    made: Callable[[dict[str, str]], object] = parser.get_parsed_content("preprocessing")
    return made


def decoder_alone(path: Path) -> Callable[[], object]:
    """The quickest decoder we have for the file's pixels, on bytes in memory."""
    dataset = dcmread(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in DECODERS:
        return lambda: pixel_array(dataset)
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    return lambda: DECODERS[syntax](stream)


def reading_rows(side: int, input_size: tuple[int, int], pairs: int, shared: Path) -> list[Row]:
    """Made-up files of side x side in every syntax, then the real ones in `shared`, on one thread.

    The targets are those of 2000 x 2000 pixels.
    """
    torch.set_num_threads(1)
    prepare = preprocessing(input_size)
    rows = []
    with TemporaryDirectory() as folder:
        files = [(syntax.name, path, pairs) for syntax, path in write_dicoms(Path(folder), side).items()]
        # The damaged one cannot be read, the smallest have hardly any pixels.
        real = [path for path in sorted(shared.glob("*.dcm")) if "BAD" not in path.name and path.stat().st_size > 1e5]
        for what, path, count in [*files, *((f"{path.stem} (real)", path, max(4, pairs // 3)) for path in real)]:
            timed = interleave(partial(prepare, {"image": str(path)}), decoder_alone(path), pairs=count)
            rows.append(_row(what, path, timed))
    return rows


def _row(what: str, path: Path, timed: Pairs) -> Row:
    header = dcmread(path, stop_before_pixels=True)
    fields = paired(timed, 1)
    target, holds = verdict(header.file_meta.TransferSyntaxUID, header.Rows * header.Columns, fields)
    return Row(
        part="reading",
        what=what,
        size=f"{header.Rows} x {header.Columns}",
        against="decoder alone",
        target=target,
        holds=holds,
        **fields,  # type: ignore[arg-type]
    )


def verdict(syntax: UID, pixels: int, fields: dict[str, object]) -> tuple[str, bool | None]:
    """The target of a file, in words, and whether it is met; larger images than 2000 x 2000 may take as much longer."""
    if syntax in JPEG_2000:
        return f"<= {RATIO} x decoder", bool(fields["ratio"] <= RATIO)  # type: ignore[operator]
    above = fields["ms"] - fields["other_ms"]  # type: ignore[operator]
    return f"<= decoder + {ABOVE:g} ms", bool(above <= ABOVE * max(1.0, pixels / 2000**2))
