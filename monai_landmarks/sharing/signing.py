"""Ed25519 keys as PEM files, and the signature of a manifest (RFC 8032, by the package `cryptography`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.layout import MANIFEST, SIGNATURE, BundleError
from monai_landmarks.sharing.manifest import canonical
from monai_landmarks.sharing.safe_files import read_json

ALGORITHM = "Ed25519"
# What is signed starts with this, so that a signature made for something else never fits.
PURPOSE = b"monai_landmarks bundle manifest, version 1\n"
UNKNOWN = "integrity only, origin unknown"


def make_keys(name: str | Path) -> tuple[Path, Path]:
    """Make a pair of keys, NAME.key.pem (private, readable by its owner alone) and NAME.pub.pem.

    Raises:
        ConfigError: one of the files is there already, or the folder cannot be written to.
    """
    stem = Path(name)
    private, public = stem.with_name(f"{stem.name}.key.pem"), stem.with_name(f"{stem.name}.pub.pem")
    if existing := [str(path) for path in (private, public) if path.exists()]:
        raise ConfigError(f"{', '.join(existing)}: exists already, and a key is never overwritten; choose another name")
    key = Ed25519PrivateKey.generate()
    try:
        handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    except OSError as error:
        raise ConfigError(f"{stem}: the keys cannot be written: {error}; choose a folder of yours") from None
    return private, public


def read_private(path: Path) -> Ed25519PrivateKey:
    """A private key of `make_keys`.

    Raises:
        ConfigError: no such key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is no private key ({error}); make one with monai-landmarks keygen NAME") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: is no {ALGORITHM} key; make one with monai-landmarks keygen NAME")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """A public key of `make_keys`.

    Raises:
        ConfigError: no such key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is no public key ({error}); the signer's NAME.pub.pem is needed") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: is no {ALGORITHM} key; the signer's NAME.pub.pem is needed")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """A short text to compare keys by, over the telephone for example: 16 bytes of the key's SHA-256."""
    digest = hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]
    return ":".join(digest[start : start + 4] for start in range(0, 32, 4))


def sign_manifest(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write manifest.sig beside manifest.json."""
    document = {
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "signature": base64.b64encode(key.sign(PURPOSE + (folder / MANIFEST).read_bytes())).decode(),
    }
    (folder / SIGNATURE).write_bytes(canonical(document))


def check_signature(folder: Path, trusted: Ed25519PublicKey | None) -> str:
    """Who signed a bundle, in words.

    Args:
        folder: the unpacked bundle.
        trusted: the key it must be signed with, which has come another way than the bundle; None for none.

    Raises:
        BundleError: not signed although a key is given, signed with another key, or the signature does not fit.
    """
    if not (folder / SIGNATURE).is_file():
        if trusted is not None:
            raise BundleError(f"{SIGNATURE}: is missing: the bundle is not signed, although a key was given")
        return f"not signed: {UNKNOWN}"
    inner, signature = _read_signature(folder)
    if trusted is not None and inner.public_bytes_raw() != trusted.public_bytes_raw():
        raise BundleError(
            f"{SIGNATURE}: the bundle is signed with another key, {fingerprint(inner)}, than the one given, "
            f"{fingerprint(trusted)}"
        )
    try:
        inner.verify(signature, PURPOSE + (folder / MANIFEST).read_bytes())
    except InvalidSignature:
        raise BundleError(f"{SIGNATURE}: does not fit the manifest: one of the two was changed") from None
    if trusted is None:
        return f"signed with the key {fingerprint(inner)}, which anyone could have made: {UNKNOWN}"
    return f"signed with the given key, {fingerprint(trusted)}"


def _read_signature(folder: Path) -> tuple[Ed25519PublicKey, bytes]:
    document = read_json(folder / SIGNATURE, SIGNATURE)
    try:
        if document["algorithm"] != ALGORITHM or (folder / SIGNATURE).read_bytes() != canonical(document):
            raise ValueError("another algorithm or form")
        raw = [base64.b64decode(document[field], validate=True) for field in ("public_key", "signature")]
        return Ed25519PublicKey.from_public_bytes(raw[0]), raw[1]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BundleError(f"{SIGNATURE}: is no {ALGORITHM} signature of a manifest ({error})") from None
