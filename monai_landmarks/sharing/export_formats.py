"""The files a network is exported to: how each is written, and read again to be compared."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from monai_landmarks.engines.onnx_network import DIGEST, INPUT, ONNX, OUTPUT, OnnxNetwork
from monai_landmarks.errors import ConfigError

# The encoder halves five times, and a side of one such step is a special case to torch.export.
MULTIPLE, SMALLEST, LARGEST = 32, 64, 4096
# Two sizes that differ, so that nothing is taken for equal, and that no network halves to 1, which would be taken for a
# constant: the hourglass halves six times.
EXAMPLE = (4 * MULTIPLE, 6 * MULTIPLE)
# The newest operator set torch.onnx writes without converting; ONNX Runtime reads it since 1.14.
OPSET = 18
SIZES = f"rows and columns are multiples of {MULTIPLE} from {SMALLEST} to {LARGEST}"


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: after the model's stem.
        write: network, path, digest of its model.pt.
        read: path and digest to a function of an image (B, 1, rows, columns).
    """

    suffix: str
    write: Callable[[nn.Module, Path, str], None]
    read: Callable[[Path, str], Callable[[Tensor], Tensor]]


def write_onnx(network: nn.Module, path: Path, digest: str) -> None:
    """ONNX with free batch size, rows and columns; the digest is among its metadata.

    Raises:
        ConfigError: the packages of the extra `export` are missing.
    """
    try:
        import onnx_ir
        import onnxscript  # noqa: F401  torch.onnx needs it
    except ImportError:
        raise ConfigError('writing ONNX needs packages: run `pip install "monai_landmarks[export]"`') from None
    with _quiet():
        program = cast(
            torch.onnx.ONNXProgram,
            torch.onnx.export(
                traced(network),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            ),
        )
    model = program.model
    # torch calls them s0, 32*s1, ...
    named = ((model.graph.inputs[0], ("rows", "columns")), (model.graph.outputs[0], _map_sides(network)))
    for value, sides in named:
        value.shape = onnx_ir.Shape(("batch", cast(onnx_ir.Shape, value.shape)[1], *sides))
    model.graph.doc_string = f"{INPUT}: float32 (batch, 1, rows, columns) in [0, 1], bone bright; {SIZES}"
    model.metadata_props[DIGEST] = digest
    program.save(path)


def _map_sides(network: nn.Module) -> tuple[str, str]:
    """What the rows and columns of the logits are called; an hourglass's are not the image's."""
    with torch.no_grad():
        logits = network(torch.zeros(1, 1, *EXAMPLE))
    return ("rows", "columns") if logits.shape[-2:] == EXAMPLE else ("map_rows", "map_columns")


def read_onnx(path: Path, digest: str) -> Callable[[Tensor], Tensor]:
    """What ONNX Runtime makes of the file."""
    return OnnxNetwork(path, digest)


def write_pt2(network: nn.Module, path: Path, digest: str) -> None:
    """torch.export's file with free batch size, rows and columns."""
    with _quiet():
        torch.export.save(traced(network), path, extra_files={DIGEST: digest})


def read_pt2(path: Path, digest: str) -> Callable[[Tensor], Tensor]:
    """The program in the file."""
    return torch.export.load(path).module()


def write_torchscript(network: nn.Module, path: Path, digest: str) -> None:
    """TorchScript by tracing, for tools that still want it; it takes any batch and size the network takes."""
    with _quiet():
        traced = torch.jit.trace(network, torch.rand(2, 1, 2 * MULTIPLE, 3 * MULTIPLE))
        torch.jit.save(traced, path, _extra_files={DIGEST: digest})


def read_torchscript(path: Path, digest: str) -> Callable[[Tensor], Tensor]:
    """The module in the file."""
    with _quiet():
        return torch.jit.load(path)


def traced(network: nn.Module) -> torch.export.ExportedProgram:
    """The network as a graph for any batch and any size that `SIZES` allows."""
    rows, columns = (
        MULTIPLE * torch.export.Dim(f"{name}_{MULTIPLE}", min=SMALLEST // MULTIPLE, max=LARGEST // MULTIPLE)
        for name in ("rows", "columns")
    )
    free = {0: torch.export.Dim("batch", min=1), 2: rows, 3: columns}
    example = torch.rand(2, 1, *EXAMPLE)
    with _quiet():
        program = torch.export.export(network, (example,), dynamic_shapes=(free,), strict=False)
    # Where in which source file each operation stands: paths of this computer, which would travel with the model.
    for graph in (
        module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)
    ):
        for node in graph.nodes:
            node.meta.pop("stack_trace", None)
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Without gradients, and without what torch 2.13 says about itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # else a warning for each operator of torchvision, which is not installed
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.filterwarnings("ignore", r"`torch.jit.[a-z_]+` is deprecated", DeprecationWarning)
            # torch.onnx copies a tree of torch.export with a class of its own that is deprecated.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


FORMATS = {
    "onnx": Format(ONNX, write_onnx, read_onnx),
    "pt2": Format(".pt2", write_pt2, read_pt2),
    "torchscript": Format(".ts", write_torchscript, read_torchscript),
}
