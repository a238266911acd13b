"""Images a second of every part, each beside its limit or a peer, with growth over landmarks and size; memory.

    python benchmarks/speed.py                     # on an idle machine with two cores: about 35 minutes
    python benchmarks/speed.py --only reading      # one part; several can be named; the others' rows stay
    python benchmarks/speed.py --tiny              # every row in small: about two minutes, the numbers mean nothing

- training: an iteration of the bundle's trainer, handlers and targets included, against the bare step of the same
  network; on one batch in memory, and with the loader and augmentation of cached images.
- reading: a DICOM file to the network's input, against the decoder of its pixels alone, on one thread; 2000 x 2000
  files of every transfer syntax, and the real ones of --dicom.
- prediction: ONNX Runtime and .pt2 against PyTorch.
- decoding: points below the pixel against the largest pixel alone.
- simulation: a core, and two processes against one.
- regions: targets of one image against writing a tensor of their size once.
- allocator: a step and a prediction with freed memory kept, as in every run of a bundle, against memory given back.
- memory: the largest resident memory of a process that does one of these alone.

Times are medians of interleaved pairs. Writes runs/benchmarks/speed.json and speed.md, --tiny speed_tiny.*.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from interleaved import FOLDER, write
from speed_allocator import allocator_rows
from speed_data import write_dicoms
from speed_memory import bare_memory, prediction_memory, reading_memory, trainer_memory
from speed_parts import REGIONS, region_rows, simulation_row, workers_row
from speed_prediction import BACKENDS, decoding_rows, prediction_rows, write_exports
from speed_reading import reading_rows
from speed_row import Row, markdown
from speed_training import training_rows

from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.simulate import PRESETS

DICOM = Path("../shared/data/dicom")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is timed.

    Attributes:
        sides: of the network's input; the first with every number of landmarks.
        landmarks: how many; the middle one with every side.
        batches: images at a time, in training (by side) and in prediction.
        file_side: of the made-up DICOM files.
        input_size: of the network, for reading.
        pairs: of each row; larger sides get fewer.
        images: simulated a preset.
        presets: which.
    """

    sides: tuple[int, ...] = (256, 512, 1024)
    landmarks: tuple[int, ...] = (5, 20, 68)
    training_batches: tuple[int, ...] = (4, 2, 1)
    batches: tuple[int, ...] = (1, 8)
    threads: tuple[int, ...] = (1, 2)
    file_side: int = 2000
    input_size: tuple[int, int] = (320, 320)
    pairs: int = 30
    images: int = 8
    presets: tuple[str, ...] = tuple(PRESETS)

    def grid(self) -> Iterator[tuple[int, int, int, int]]:
        """Side, its number in `sides`, landmarks and pairs of each point of the growth rows."""
        middle = self.landmarks[len(self.landmarks) // 2]
        for number, side in enumerate(self.sides):
            for count in self.landmarks if number == 0 else (middle,):
                yield side, number, count, max(2, self.pairs // 2**number)


TINY = Size(
    sides=(64, 96),
    landmarks=(3,),
    training_batches=(2, 2),
    batches=(1, 2),
    threads=(1,),
    file_side=200,
    input_size=(64, 64),
    pairs=2,
    images=1,
    presets=("pelvis-radiograph",),
)


def training(size: Size, _: Path) -> Iterator[Row]:
    for side, number, landmarks, pairs in size.grid():
        yield from in_own_process("training", training_rows, side, landmarks, size.training_batches[number], pairs)


def reading(size: Size, dicom: Path) -> Iterator[Row]:
    yield from in_own_process("reading", reading_rows, size.file_side, size.input_size, size.pairs, dicom)


def prediction(size: Size, _: Path) -> Iterator[Row]:
    middle, least = size.landmarks[len(size.landmarks) // 2], size.sides[0]
    modes = [(least, middle, batch, threads, size.pairs) for threads in size.threads for batch in size.batches]
    growth = [(side, landmarks, 1, 1, pairs) for side, _number, landmarks, pairs in size.grid()]
    plan = [(backend, *one) for backend in BACKENDS for one in dict.fromkeys([*modes, *growth])]
    with TemporaryDirectory() as name:
        yield from in_own_process("prediction", prediction_rows, Path(name), plan)


def decoding(size: Size, _: Path) -> Iterator[Row]:
    yield from in_own_process("decoding", decoding_rows, [(one[0], one[2], one[3]) for one in size.grid()])


def simulation(size: Size, _: Path) -> Iterator[Row]:
    for preset in size.presets:
        yield in_own_process(preset, simulation_row, preset, size.images)
    yield in_own_process("workers", workers_row, size.presets[0], 8 * size.images, 2)


def regions(size: Size, _: Path) -> Iterator[Row]:
    plan = [(name, side, landmarks, pairs) for name in REGIONS for side, _number, landmarks, pairs in size.grid()]
    yield from in_own_process("regions", region_rows, plan)


def allocator(size: Size, _: Path) -> Iterator[Row]:
    for side, number, landmarks, pairs in size.grid():
        yield from allocator_rows(side, landmarks, size.training_batches[number], pairs)


def memory(size: Size, _: Path) -> Iterator[Row]:
    for side, number, landmarks, _pairs in size.grid():
        for measure in (bare_memory, trainer_memory):
            yield in_own_process("training", measure, side, landmarks, size.training_batches[number])
    middle, least = size.landmarks[len(size.landmarks) // 2], size.sides[0]
    with TemporaryDirectory() as name:
        in_own_process("exports", write_exports, Path(name), [middle])
        for backend in ("", *BACKENDS):
            for batch in size.batches:
                yield in_own_process("prediction", prediction_memory, Path(name), backend, least, middle, batch)
        in_own_process("files", write_dicoms, Path(name), size.file_side)
        yield in_own_process("reading", reading_memory, Path(name), size.file_side, size.input_size)


PARTS: dict[str, Callable[[Size, Path], Iterator[Row]]] = {
    part.__name__: part for part in (training, reading, prediction, decoding, simulation, regions, allocator, memory)
}


def run(name: str, size: Size, parts: Sequence[str], dicom: Path) -> list[Row]:
    """All rows of some parts, with those of the others that stand in FOLDER/NAME.json; written anew after each part."""
    rows = _read(FOLDER / f"{name}.json", asdict(size))
    for part in parts:
        rows[part] = []
        for row in PARTS[part](size, dicom):
            rows[part].append(row)
            print(markdown([row])[-1], flush=True)
        content = {part: [asdict(row) for row in rows[part]] for part in rows}
        write(name, {"size": asdict(size), "rows": content})
        (FOLDER / f"{name}.md").write_text("\n".join(markdown(_in_order(rows))) + "\n", encoding="utf-8")
    return _in_order(rows)


def _read(file: Path, size: dict[str, object]) -> dict[str, list[Row]]:
    """Rows of an earlier call by part; none where it measured other sizes."""
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if content.get("size") != json.loads(json.dumps(size)):
        return {}
    return {part: [Row(**row) for row in rows] for part, rows in content["rows"].items()}


def _in_order(rows: dict[str, list[Row]]) -> list[Row]:
    return [row for part in PARTS for row in rows.get(part, [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--dicom", type=Path, default=DICOM, help="folder of real files, read too where it exists")
    parser.add_argument("--tiny", action="store_true", help="every row in small, to see that it works")
    given = parser.parse_args()
    about = ("speed_tiny", TINY) if given.tiny else ("speed", Size())
    rows = run(*about, given.only, Path() if given.tiny else given.dicom)
    print("\n".join(["", *markdown(rows)]))


if __name__ == "__main__":
    main()
