"""Keys: files, modes, and what is no key."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.signing import fingerprint, make_keys, read_private, read_public


def test_a_pair_belongs_together_and_the_private_one_is_private(tmp_path):
    private, public = make_keys(tmp_path / "clinic")
    assert (private.name, public.name) == ("clinic.key.pem", "clinic.pub.pem")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    own = read_private(private).public_key()
    assert fingerprint(own) == fingerprint(read_public(public))
    assert fingerprint(own) != fingerprint(read_public(make_keys(tmp_path / "other")[1]))


def test_a_key_is_never_overwritten(tmp_path):
    private, public = make_keys(tmp_path / "clinic")
    before = private.read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        make_keys(tmp_path / "clinic")
    private.unlink()
    with pytest.raises(ConfigError, match=r"clinic.pub.pem: exists already"):
        make_keys(tmp_path / "clinic")
    assert before
    assert public.exists()
    with pytest.raises(ConfigError, match="cannot be written"):
        make_keys(tmp_path / "nowhere" / "clinic")


def test_what_is_no_key_is_refused(tmp_path):
    private, public = make_keys(tmp_path / "clinic")
    rsa = generate_private_key(65537, 2048)
    other, other_public = tmp_path / "rsa.pem", tmp_path / "rsa.pub.pem"
    other.write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    other_public.write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match="is no private key"):
        read_private(public)
    with pytest.raises(ConfigError, match="is no public key"):
        read_public(private)
    with pytest.raises(ConfigError, match="is no public key"):
        read_public(tmp_path / "nowhere.pem")
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        read_private(other)
    with pytest.raises(ConfigError, match="is no Ed25519 key"):
        read_public(other_public)
