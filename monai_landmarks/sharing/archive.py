"""Opening a packed bundle: unpacked into a temporary folder, checked, and only then handed on."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.layout import BUNDLE_METADATA, EXECUTABLE_MODELS, ONNX_MODELS
from monai_landmarks.sharing.manifest import check_labels, check_manifest
from monai_landmarks.sharing.metadata import check_metadata, check_versions
from monai_landmarks.sharing.safe_config import check_configs
from monai_landmarks.sharing.safe_files import read_json
from monai_landmarks.sharing.safe_weights import check_region, check_weights
from monai_landmarks.sharing.signing import check_signature, read_public
from monai_landmarks.sharing.zipfiles import extract_archive

logger = logging.getLogger(__name__)


@contextmanager
def opened_bundle(path: Path, key: Path | None = None) -> Iterator[Path]:
    """A bundle's folder to run: a folder as it is, a packed file unpacked and checked (all but the self-test).

    Of a file that is not signed with `key`, the exported models are left out: loading TorchScript or .pt2 runs what is
    in them, and an ONNX file may compute something else than model.pt, which is what the card and the self-test are
    about. The temporary folder is removed at the end.

    Args:
        path: a bundle's folder, or a file of `monai-landmarks pack`.
        key: PEM file of the public key that must have signed the file.

    Raises:
        ConfigError: a key for a folder, which has no signature.
        BundleError: any check fails; nothing of the file has been run then.
    """
    if path.is_dir():
        if key is not None:
            raise ConfigError(f"{path}: is a folder, which has no signature to check; leave --key out or give the file")
        yield path
        return
    trusted = trusted_key(key)
    with tempfile.TemporaryDirectory(prefix="bundle-") as place:
        folder, origin = unpack_checked(path, Path(place).resolve(), trusted)
        if trusted is None:
            logger.warning(f"{path.name}: {origin}")
        yield folder


def unpack_checked(path: Path, destination: Path, trusted: Ed25519PublicKey | None) -> tuple[Path, str]:
    """Unpack a packed bundle and check everything that can be checked without running it.

    Args:
        path: the file.
        destination: an empty folder of ours.
        trusted: the key that must have signed it, None for none.

    Returns:
        The bundle's folder, and whose it is, in words.

    Raises:
        BundleError: naming the file and the fault.
    """
    folder = extract_archive(path, destination)
    manifest = check_manifest(folder)
    origin = check_signature(folder, trusted)
    check_configs(folder)
    metadata = check_metadata(read_json(folder / BUNDLE_METADATA, BUNDLE_METADATA))
    check_labels(manifest, metadata)
    check_versions(metadata)
    check_region(folder, metadata)
    check_weights(folder)
    if trusted is None:
        remove_models(folder, (*EXECUTABLE_MODELS, *ONNX_MODELS))
    return folder, origin


def remove_models(folder: Path, names: Iterable[str]) -> list[str]:
    """Delete models that only a trusted signer's bundle may bring; returns those that were there."""
    found = [name for name in names if (folder / name).is_file()]
    for name in found:
        (folder / name).unlink()
    return found


def trusted_key(key: Path | None) -> Ed25519PublicKey | None:
    """The key of a PEM file, None for none."""
    return read_public(key) if key is not None else None
