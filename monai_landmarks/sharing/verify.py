"""`monai-landmarks verify`: every check of a packed bundle by name, from the archive to the self-test."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from monai_landmarks.errors import LandmarksError
from monai_landmarks.sharing.archive import remove_models, trusted_key
from monai_landmarks.sharing.layout import BUNDLE_METADATA, EXECUTABLE_MODELS, plain
from monai_landmarks.sharing.manifest import check_labels, check_manifest
from monai_landmarks.sharing.metadata import BundleMetadata, check_metadata, check_versions
from monai_landmarks.sharing.safe_config import check_configs
from monai_landmarks.sharing.safe_files import read_json
from monai_landmarks.sharing.safe_onnx import NotComparedError, check_onnx
from monai_landmarks.sharing.safe_weights import check_region, check_weights
from monai_landmarks.sharing.selftest import check_network, check_selftest
from monai_landmarks.sharing.signing import check_signature
from monai_landmarks.sharing.zipfiles import extract_archive

State = Literal["ok", "failed", "not run"]


@dataclass(frozen=True)
class Check:
    """One check: its name, how it ended, and what it found."""

    name: str
    state: State
    text: str


def verify_bundle(path: Path, key: Path | None = None) -> Iterator[Check]:
    """Check a packed bundle; a check that rests on a failed one is not run.

    Network, self-test and onnx run the model, so they are left out when anything before them fails.

    Args:
        path: a file of `monai-landmarks pack`.
        key: PEM file of the public key that must have signed it.

    Yields:
        Each check as it ends.

    Raises:
        ConfigError: `key` is no public key.
    """
    trusted = trusted_key(key)
    with tempfile.TemporaryDirectory(prefix="verify-") as place:
        bundle = _Bundle(path, Path(place).resolve(), trusted)
        steps: list[tuple[str, Callable[[], str], set[str]]] = [
            ("archive", bundle.archive, set()),
            ("manifest", bundle.manifest, {"archive"}),
            ("signature", bundle.signature, {"archive"}),
            ("configs", bundle.configs, {"archive"}),
            ("metadata", bundle.check_metadata, {"archive"}),
            ("versions", bundle.versions, {"metadata"}),
            ("weights", bundle.weights, {"archive", "metadata"}),
        ]
        static = {name for name, _, _ in steps}
        running = static | {"network"}
        steps += [
            ("network", bundle.network, static),
            ("self-test", bundle.selftest, running),
            ("onnx", bundle.onnx, running),
        ]
        passed: set[str] = set()
        for name, step, needs in steps:
            check = _run(name, step, needs - passed)
            if check.state == "ok":
                passed.add(name)
            yield check


class _Bundle:
    """A packed bundle while it is checked; each check says in words what it found, or raises.

    Attributes:
        folder: where it is unpacked to, from `archive` on.
        metadata: from `check_metadata` on.
        listed: the manifest, if it is well.
    """

    folder: Path
    metadata: BundleMetadata
    listed: dict[str, Any] | None = None

    def __init__(self, path: Path, place: Path, trusted: Ed25519PublicKey | None) -> None:
        self.path = path
        self.place = place
        self.trusted = trusted

    def archive(self) -> str:
        self.folder = extract_archive(self.path, self.place)
        return "plain files only, no path leads out"

    def manifest(self) -> str:
        self.listed = check_manifest(self.folder)
        return f"{len(self.listed['files'])} files as the manifest says"

    def signature(self) -> str:
        return check_signature(self.folder, self.trusted)

    def configs(self) -> str:
        check_configs(self.folder)
        return "only listed classes, functions and imports"

    def check_metadata(self) -> str:
        self.metadata = check_metadata(read_json(self.folder / BUNDLE_METADATA, BUNDLE_METADATA))
        if self.listed is not None:
            check_labels(self.listed, self.metadata)
        names = self.metadata.monai_landmarks.scheme.names
        return f"{self.metadata.name} {self.metadata.version}, {len(names)} landmarks"

    def versions(self) -> str:
        return check_versions(self.metadata)

    def weights(self) -> str:
        check_region(self.folder, self.metadata)
        tensors = check_weights(self.folder)
        left_out = remove_models(self.folder, EXECUTABLE_MODELS) if self.trusted is None else []
        refused = f"; {', '.join(left_out)} are not loaded from a bundle of unknown origin" if left_out else ""
        return f"{tensors} tensors, nothing else{refused}"

    def network(self) -> str:
        return check_network(self.folder, self.metadata)

    def selftest(self) -> str:
        return check_selftest(self.folder, self.metadata)

    def onnx(self) -> str:
        found = check_onnx(self.folder, self.metadata)
        if not found:
            return "no ONNX model in it"
        return found if self.trusted is not None else f"{found}; predict uses it with --key alone"


def _run(name: str, step: Callable[[], str], unmet: set[str]) -> Check:
    if unmet:
        return Check(name, "not run", f"rests on what failed: {', '.join(sorted(unmet))}")
    try:
        return Check(name, "ok", plain(step()))
    except NotComparedError as error:
        return Check(name, "not run", plain(str(error)))
    except LandmarksError as error:
        return Check(name, "failed", plain(str(error)))
    except Exception as error:  # a bundle of strangers may fail in any way, and the list must still be complete
        return Check(name, "failed", f"{type(error).__name__}: {plain(str(error))[:300]}")
