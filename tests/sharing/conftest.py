"""One packed bundle for all tests of sharing."""

import pytest
from tiny_bundle import write_run

from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.sharing.signing import make_keys


@pytest.fixture(scope="session")
def run(tmp_path_factory, blobs):
    """A trained bundle (in form, its weights are random) with its evaluation. Do not change it."""
    return write_run(tmp_path_factory.mktemp("run"), blobs)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Private and public key."""
    return make_keys(tmp_path_factory.mktemp("keys") / "signer")


@pytest.fixture(scope="session")
def packed(run, keys, tmp_path_factory):
    """It, packed and signed. Do not change it."""
    target = tmp_path_factory.mktemp("packed") / "tiny-1.0.zip"
    pack_bundle(run, target, Labels("Invented blobs.", name="tiny", version="1.0"), sign=keys[0])
    return target


@pytest.fixture(scope="session")
def unsigned(run, tmp_path_factory):
    """It, packed and not signed. Do not change it."""
    target = tmp_path_factory.mktemp("packed") / "tiny-1.0.zip"
    pack_bundle(run, target, Labels("Invented blobs.", name="tiny", version="1.0"))
    return target
