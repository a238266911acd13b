"""A packed bundle someone has been at: each way is refused, with its own message, before anything runs."""

import io
import json
import os
import pickle
import struct
import zipfile

import pytest
import torch
from tiny_bundle import changed
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.errors import ConfigError, find_cause
from monai_landmarks.sharing import safe_weights
from monai_landmarks.sharing.archive import opened_bundle
from monai_landmarks.sharing.layout import MAX_FILES, BundleError
from monai_landmarks.sharing.manifest import write_manifest
from monai_landmarks.sharing.signing import read_private, sign_manifest
from monai_landmarks.sharing.zipfiles import extract_archive


class Runs:
    """Pickles to a call that makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def refuse(path, reason, key=None):
    with pytest.raises(BundleError, match=reason), opened_bundle(path, key):
        pytest.fail("it was opened")


def entry(name, kind=0o100644, compression=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr, info.compress_type = 3, kind << 16, compression
    return info


def with_entry(packed, target, info, content=b"x"):
    """The archive with one more entry."""
    target.write_bytes(packed.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(info, content)
    return target


def replaced(content, old, new):
    assert len(old) == len(new)
    assert old in content
    return content.replace(old, new)


# --- opened as it should be ---------------------------------------------------------------------------------------


def test_a_whole_bundle_opens_and_leaves_nothing_behind(packed, keys, caplog):
    with opened_bundle(packed, keys[1]) as folder:
        assert (folder / "configs" / "inference.yaml").is_file()
        assert folder.name == "tiny"
    assert not folder.exists()
    assert not caplog.records


def test_without_a_key_the_origin_is_unknown_and_said_to_be(packed, unsigned, caplog):
    for path in (packed, unsigned):
        with opened_bundle(path):
            assert "integrity only, origin unknown" in caplog.text
        caplog.clear()


def test_a_folder_is_as_it_is(run, keys):
    with opened_bundle(run / "bundle") as folder:
        assert folder == run / "bundle"
    with pytest.raises(ConfigError, match="is a folder, which has no signature"), opened_bundle(run, keys[1]):
        pytest.fail("it was opened")


def test_what_runs_code_when_loaded_is_left_out_unless_the_signer_is_known(packed, keys, tmp_path):
    def add(bundle):
        for name in ("model.pt2", "model.ts", "model.onnx"):
            (bundle / "models" / name).write_bytes(b"any")

    with opened_bundle(changed(packed, tmp_path, add)) as folder:
        assert [path.name for path in (folder / "models").iterdir()] == ["model.pt"]


def test_a_known_signers_models_are_all_there(packed, keys, tmp_path):
    signer = read_private(keys[0])

    def add(bundle):
        (bundle / "models" / "model.onnx").write_bytes(b"any")
        (bundle / "models" / "model.ts").write_bytes(b"any")
        write_manifest(bundle, "tiny", "1.0")
        sign_manifest(bundle, signer)

    path = changed(packed, tmp_path, add, renew=False)
    with opened_bundle(path, keys[1]) as folder:
        assert {file.name for file in (folder / "models").iterdir()} == {"model.onnx", "model.pt", "model.ts"}
    with opened_bundle(path) as folder:
        assert [file.name for file in (folder / "models").iterdir()] == ["model.pt"]


def test_onnx_runtime_needs_the_signers_key(packed, tmp_path, blobs):
    """Of a file of unknown origin only the network that the self-test is about is run."""
    path = changed(packed, tmp_path / "a", lambda bundle: (bundle / "models" / "model.onnx").write_bytes(b"any"))
    arguments = [str(path), str(blobs.parent / "images" / "00.png"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(build_app(), ["predict", *arguments, "--backend", "onnxruntime"])
    assert done.exit_code != 0
    told = str(find_cause(done.exception))
    assert "--backend torch. The one in a packed bundle is used with the --key it is signed with" in told
    assert not (tmp_path / "out" / "predictions.csv").exists()


# --- the manifest ---------------------------------------------------------------------------------------------------


def test_a_byte_of_the_weights(packed, tmp_path):
    def edit(bundle):
        content = bytearray((bundle / "models" / "model.pt").read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / "models" / "model.pt").write_bytes(content)

    refuse(changed(packed, tmp_path, edit, renew=False), "models/model.pt: was changed: its SHA-256")


def test_a_byte_of_the_weights_in_the_archive_itself(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    refuse(tmp_path / "a.zip", "is damaged or no packed bundle.*CRC")


def test_a_config_line(packed, tmp_path):
    def edit(bundle):
        path = bundle / "configs" / "train.yaml"
        path.write_text(path.read_text().replace("max_epochs: 24", "max_epochs: 25"))

    refuse(changed(packed, tmp_path, edit, renew=False), "configs/train.yaml: was changed: its SHA-256")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"version": 1\n', '"version":  1\n', "manifest.json: was changed: it is not in the form"),
        ('"version": 1\n', '"version": 2\n', "manifest.json: is of version 2, this program reads 1"),
        ('"name": "tiny"', '"name": "tall"', "manifest.json: names the bundle 'tall'"),
        ('"LICENSE": {', '"LICENCE": {', "LICENCE: was removed: the manifest lists it"),
        ('"format": "monai', '"format": "other', "manifest.json: is no monai_landmarks.bundle manifest"),
        ("}", "", "manifest.json: is no valid JSON"),
        ('"files": {', '"files": {"a": 1}, "files": {', "a key is there twice"),
    ],
)
def test_the_manifest(packed, tmp_path, old, new, reason):
    def edit(bundle):
        path = bundle / "manifest.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    refuse(changed(packed, tmp_path, edit, renew=False), reason)


def test_a_file_more_and_a_file_less(packed, tmp_path):
    def more(bundle):
        (bundle / "configs" / "another.yaml").write_text("a: 1\n")

    refuse(changed(packed, tmp_path / "a", more, renew=False), "configs/another.yaml: was added")
    refuse(
        changed(packed, tmp_path / "b", lambda bundle: (bundle / "configs" / "paper.yaml").unlink(), renew=False),
        "configs/paper.yaml: was removed",
    )
    refuse(
        changed(packed, tmp_path / "c", lambda bundle: (bundle / "LICENSE").unlink()),
        "lacks LICENSE; it is not written by monai-landmarks pack",
    )


# --- the signature --------------------------------------------------------------------------------------------------


def test_a_manifest_made_anew_does_not_fit_the_signature(packed, keys, tmp_path):
    def edit(bundle):
        path = bundle / "manifest.json"
        path.write_text(path.read_text().replace('"bundle_version": "1.0"', '"bundle_version": "1.1"'))

    path = changed(packed, tmp_path, edit, renew=False)
    for key in (None, keys[1]):
        refuse(path, "manifest.sig: does not fit the manifest", key)


def test_a_missing_signature_and_another_signer(packed, unsigned, keys, tmp_path):
    from monai_landmarks.sharing.signing import make_keys

    refuse(unsigned, "manifest.sig: is missing: the bundle is not signed", keys[1])
    refuse(packed, "signed with another key", make_keys(tmp_path / "other")[1])


@pytest.mark.parametrize(
    ("field", "value"), [("algorithm", "RSA"), ("public_key", "AAAA"), ("signature", "!"), ("public_key", None)]
)
def test_a_signature_that_is_none(packed, tmp_path, field, value):
    def edit(bundle):
        path = bundle / "manifest.sig"
        document = json.loads(path.read_text()) | {field: value}
        path.write_text(json.dumps(document, sort_keys=True, indent=1) + "\n")

    refuse(changed(packed, tmp_path, edit, renew=False), "manifest.sig: is no Ed25519 signature")


# --- the archive ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tiny/../../../evil.txt", "'tiny/../../../evil.txt' leads out of the bundle's folder"),
        ("../evil.txt", "leads out"),
        ("/etc/cron.d/evil", "'/etc/cron.d/evil' is an absolute path"),
        ("\\\\server\\share", "is an absolute path"),
        ("C:/evil", "'C:/evil' is an absolute path"),
        ("tiny\\..\\evil", "leads out"),
        ("tiny/a\\b", "is no plain name"),
        ("tiny/models/model.p\u0442", "is no plain name"),
        ("tiny/models/model.pt\0.txt", "is no plain name"),
        ("tiny/a\nb", "is no plain name"),
        ("tiny/torch.py", "torch.py is no part of a bundle"),
        ("tiny/scripts/__init__.py", "scripts/__init__.py is no part of a bundle"),
        ("tiny/configs/train.json", "configs/train.json is no part of a bundle"),
        ("tiny/models/patient.dcm", "models/patient.dcm is no part of a bundle"),
        ("tiny/.hidden", ".hidden is no part of a bundle"),
        ("other/LICENSE", "must hold one folder"),
        ("tiny/LICENSE", "tiny/LICENSE is in it twice"),
        ("tiny/License", "tiny/License is in it twice"),
        ("tiny/folder/", "tiny/folder/ is no plain file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_names_in_the_archive(packed, tmp_path, name, reason):
    info = entry("placeholder")
    # Set afterwards: zipfile would clean the name.
    info.filename = info.orig_filename = name
    refuse(with_entry(packed, tmp_path / "a.zip", info), reason)
    assert not list(tmp_path.rglob("evil*"))


def test_a_zero_byte_in_a_name(packed, tmp_path):
    path = with_entry(packed, tmp_path / "a.zip", entry("tiny/extraXtxt"))
    path.write_bytes(replaced(path.read_bytes(), b"tiny/extraXtxt", b"tiny/extra\0txt"))
    refuse(path, r"'tiny/extra\\x00txt' is no plain name")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(0o120777, "is a link"), (0o060644, "is no plain file"), (0o010644, "is no plain file"), (0o040755, "no plain")],
)
def test_links_and_devices(packed, tmp_path, kind, reason):
    refuse(with_entry(packed, tmp_path / "a.zip", entry("tiny/models/model.onnx", kind), b"/etc/passwd"), reason)


def test_an_archive_bomb(packed, tmp_path):
    bomb = entry("tiny/models/model.onnx", compression=zipfile.ZIP_DEFLATED)
    refuse(
        with_entry(packed, tmp_path / "a.zip", bomb, bytes(10_000_000)), r"is compressed \d{3,} to 1: an archive bomb"
    )


def test_too_many_files(packed, tmp_path):
    target = tmp_path / "a.zip"
    target.write_bytes(packed.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        for number in range(MAX_FILES):
            archive.writestr(entry(f"tiny/configs/c{number}.yaml"), b"a: 1\n")
    refuse(target, rf"files, a bundle at most {MAX_FILES}: an archive bomb")


def test_a_text_that_is_too_large(packed, tmp_path):
    large = entry("tiny/configs/large.yaml")
    refuse(with_entry(packed, tmp_path / "a.zip", large, bytes(1 << 23)), "large.yaml is a text of 8388608 bytes")


@pytest.mark.parametrize("size", [0x7FFFFFFF, 100_000_000])
def test_sizes_that_lie(packed, tmp_path, size):
    """The central directory states more than there is."""
    content = bytearray(packed.read_bytes())
    at = content.rindex(b"tiny/models/model.pt") - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 20 : at + 28] = struct.pack("<II", size, size)
    (tmp_path / "a.zip").write_bytes(content)
    refuse(tmp_path / "a.zip", "an archive bomb; .* are allowed|its sizes lie")


def test_an_encrypted_file(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    at = content.rindex(b"tiny/models/model.pt") - 46
    content[at + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    refuse(tmp_path / "a.zip", "is encrypted: it cannot be checked")


@pytest.mark.parametrize("where", ["before", "after", "comment", "header"])
def test_bytes_that_no_file_accounts_for(packed, unsigned, tmp_path, where):
    """Another program might read the second archive, or the local header instead of the directory."""
    content = packed.read_bytes()
    if where == "before":
        content = b"#!/bin/sh\n" + content
    elif where == "after":
        content = unsigned.read_bytes() + content
    elif where == "comment":
        content = content[:-2] + b"\x02\x00hi"
    else:
        at = content.index(b"tiny/models/model.pt") - 30
        content = content[: at + 10] + b"\x01\x00" + content[at + 12 :]
    (tmp_path / "a.zip").write_bytes(content)
    refuse(tmp_path / "a.zip", "holds bytes outside its files")


def test_no_archive_at_all(tmp_path):
    refuse(tmp_path / "nowhere.zip", "there is no such file")
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    refuse(tmp_path / "a.zip", "is damaged or no packed bundle")
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    refuse(tmp_path / "a.zip", "must hold one folder")


def test_nothing_is_written_before_all_names_are_checked(packed, tmp_path):
    path = with_entry(packed, tmp_path / "a.zip", entry("tiny/evil.py"))
    (tmp_path / "out").mkdir()
    with pytest.raises(BundleError):
        extract_archive(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


# --- the content, with a manifest that fits ------------------------------------------------------------------------


def test_a_pickle_in_the_weights(packed, tmp_path):
    mark = tmp_path / "it ran"

    def bare(bundle):
        (bundle / "models" / "model.pt").write_bytes(pickle.dumps(Runs(mark)))

    def within(bundle):
        torch.save({"a": torch.zeros(1), "b": Runs(mark)}, bundle / "models" / "model.pt")

    refuse(changed(packed, tmp_path / "a", bare), "models/model.pt: is no file of weights as torch.save writes it")
    refuse(
        changed(packed, tmp_path / "b", within),
        "models/model.pt: holds a pickle of something other than tensors: it asks for posix.mkdir",
    )
    assert not mark.exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": {"b": torch.zeros(1)}}, {1: torch.zeros(1)}])
def test_weights_that_are_no_state_dict(packed, tmp_path, content):
    path = changed(packed, tmp_path, lambda bundle: torch.save(content, bundle / "models" / "model.pt"))
    refuse(path, "models/model.pt: must hold names and tensors alone")


def test_compressed_weights(packed, tmp_path):
    def edit(bundle):
        path = bundle / "models" / "model.pt"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(1_000_000))

    refuse(changed(packed, tmp_path, edit), "models/model.pt: archive/data.pkl in it is compressed")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("evil: {_target_: os.system, command: touch evil}", "configs/inference.yaml, evil: the target 'os.system'"),
        ("evil: $torch.hub.load('a/b', 'c')", "configs/inference.yaml, evil: the expression calls torch.hub.load"),
        ("imports#7: $import os", "configs/inference.yaml, imports#7: the import 'import os' is not in the list"),
        ("evil: $__import__('os').system('id')", "configs/inference.yaml, evil: the expression calls __import__"),
    ],
)
def test_configs_that_would_run_something(packed, tmp_path, line, reason):
    def edit(bundle):
        with (bundle / "configs" / "inference.yaml").open("a") as file:
            file.write(f"\n{line}\n")

    refuse(changed(packed, tmp_path, edit), reason)


def edit_metadata(change):
    def edit(bundle):
        path = bundle / "configs" / "metadata.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def set_shape(document):
    document["network_data_format"]["inputs"]["image"]["spatial_shape"] = [64, 10**9]


def rename_landmark(name):
    def change(document):
        document["monai_landmarks"]["scheme"]["landmarks"][0]["name"] = name
        document["network_data_format"]["outputs"]["pred"]["channel_def"]["0"] = name

    return change


def swap_channels(document):
    channels = document["network_data_format"]["outputs"]["pred"]["channel_def"]
    channels["0"], channels["1"] = channels["1"], channels["0"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(task="$import antigravity"), "configs/metadata.json, task: .* would be evaluated"),
        (lambda d: d.pop("network_data_format"), "configs/metadata.json: network_data_format: Field required"),
        (set_shape, "network_data_format.inputs.image: .*must lie between 32 and 8192"),
        (swap_channels, "channel_def and the scheme's landmarks differ"),
        (lambda d: d["monai_landmarks"].pop("settings"), "monai_landmarks.settings: Field required"),
        (lambda d: d.update(version=1), "version: Input should be a valid string"),
        (lambda d: d["required_packages_version"].update(monai_landmarks="99.0"), "monai_landmarks is .* here, the"),
        (
            lambda d: d["required_packages_version"].update(nowhere="1.0"),
            "nowhere is nothing .* do not install",
        ),
        (lambda d: d["required_packages_version"].update(pydicom='3"; id; "'), "required_packages_version.pydicom"),
        (lambda d: d.update(version="1.0\nok      signature"), "version: String should match pattern"),
        (lambda d: d.update(name="hip\x1b[2A\x1b[2K"), "name: String should match pattern"),
        (lambda d: d["monai_landmarks"].update(errors_mm={"middle": "a"}), "monai_landmarks.errors_mm.middle"),
        (lambda d: d.update(pytorch_version="1.9.0"), "torch is .* here, the bundle needs 1.9.0"),
        (rename_landmark("=1"), "metadata.json: .*scheme.landmarks.0.name: .*begins with '=', which a spreadsheet"),
        (rename_landmark("a\n=1"), "scheme.landmarks.0.name: .*holds a line break"),
        (lambda d: d.update(name="tall"), "metadata.json: says the bundle is tall 1.0, manifest.json says tiny 1.0"),
        (lambda d: d.update(version="1.1"), "metadata.json: says the bundle is tiny 1.1, manifest.json says tiny 1.0"),
    ],
)
def test_metadata_that_cannot_be_used(packed, tmp_path, change, reason):
    refuse(changed(packed, tmp_path, edit_metadata(change)), reason)


def test_every_file_of_weights_is_checked(tmp_path, monkeypatch):
    """A bundle may be allowed more than one; a config can name none that is not looked at."""
    monkeypatch.setattr(safe_weights, "WEIGHT_FILES", ("models/model.pt", "models/roi.pt"))
    (tmp_path / "models").mkdir()
    torch.save({"a": torch.zeros(1)}, tmp_path / "models" / "model.pt")
    assert safe_weights.check_weights(tmp_path) == 1
    (tmp_path / "models" / "roi.pt").write_bytes(pickle.dumps(Runs(tmp_path / "it ran")))
    with pytest.raises(BundleError, match=r"models/roi.pt: is no file of weights"):
        safe_weights.check_weights(tmp_path)
