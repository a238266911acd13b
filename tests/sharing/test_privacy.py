"""Which texts count as a path of a computer, and where names are looked for."""

import json

import pytest

from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.privacy import ABSOLUTE, check_binary, check_settings, check_texts


@pytest.mark.parametrize(
    "text",
    [
        "/home/maria/x.json", "see /mnt/data/hips", "'/srv/x/y'", "path=/tmp/abc", "(/opt/x/y)", "C:\\Users\\maria",
        "D:/hips/a.dcm", "\\\\server\\share", "~/hips", "~maria/hips", "file:///etc/passwd", '"/root/.cache"',
        "$'/data/hips' + @a", "FILE:///etc/passwd", "d:/HIPS/a.dcm",
    ],
)  # fmt: skip
def test_paths(text):
    assert ABSOLUTE.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "$@bundle_root + '/models'", "$@bundle_root + '/models/second_pass'", "https://arxiv.org/abs/2309.16066",
        "http://www.apache.org/licenses/LICENSE-2.0", "and/or", "configs/train.yaml", "--dataset_file /path/to/x.json",
        "1 / 2", "mm/px", "10 000 / year", "about ~5 mm", "2309.16066/v2", "either / or", "a: b", "docs/README.md",
    ],
)  # fmt: skip
def test_other_texts(text):
    assert not ABSOLUTE.search(text)


@pytest.mark.parametrize("document", [{"M\u00fcller_01": 1}, {"a": [{"b": "of M\u00fcller_01"}]}])
def test_a_name_is_found_although_json_escapes_it(tmp_path, document):
    (tmp_path / "a.json").write_text(json.dumps(document))
    check_texts(tmp_path, ["M\u00fcller_02"])
    with pytest.raises(BundleError, match=r"a.json, .* holds 'M\u00fcller_01'"):
        check_texts(tmp_path, ["M\u00fcller_01"])


def test_a_text_in_another_encoding_is_named(tmp_path):
    (tmp_path / "LICENSE").write_bytes("Universit\u00e4t".encode("latin-1"))
    with pytest.raises(BundleError, match="LICENSE: is no UTF-8 text"):
        check_texts(tmp_path, [])


@pytest.mark.parametrize("text", ["by MUELLER", "mueller's", "Mueller", "of mUeLLer, 2026"])
def test_a_name_is_found_in_upper_and_lower_case(tmp_path, text):
    (tmp_path / "LICENSE").write_text(text)
    with pytest.raises(BundleError, match="LICENSE, line 1: holds"):
        check_texts(tmp_path, ["Mueller"])


@pytest.mark.parametrize(
    "text",
    ["patient 1234 was odd", "Patient-ID: 1234", "case #1234.", "see image_1234", "PATIENT NO. 1234", "case1234"],
)
def test_a_short_number_is_found_where_a_word_says_what_it_is(tmp_path, text):
    (tmp_path / "LICENSE").write_text(text)
    with pytest.raises(BundleError, match=r"LICENSE, line 1: holds .*1234"):
        check_texts(tmp_path, ["1234"])


@pytest.mark.parametrize(
    "text", ["1234 cases", "1234", "1234 patients", "case 12345", "image 1234.5 mm", "cases: 1234"]
)
def test_other_short_numbers_are_left_alone(tmp_path, text):
    (tmp_path / "LICENSE").write_text(text)
    check_texts(tmp_path, ["1234", "Mean"])


def config(tmp_path, text):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reader: Maria", "Maria"),
        ("reader: [mean, Maria]", "Maria"),
        ("a:\n  reader: {first: Maria}", "Maria"),
        ("reader: $'Maria'", "Maria"),
        ("reader: $str('Maria') if @a else 'mean'", "Maria"),
        ("dataset_file: $str(Path('hips') / 'of_maria.json')", "of_maria.json"),
        ("dataset_dir: $f'hips/{1}'", "hips/"),
        ("tracking_uri: $'http://maria:5000'", "http://maria:5000"),
    ],
)
def test_settings_that_tell_of_people_are_found_in_lists_and_expressions(tmp_path, text, told):
    with pytest.raises(BundleError, match=f"configs/train.yaml, .*: '{told}' tells of your people"):
        check_settings(config(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "reader: mean", "reader: $'mean'", "reader: '@reader'", "reader: null", "tracking_uri: '@tracking_uri'",
        "dataset_dir: $str(Path(@dataset_file).parent)", "dataset_dir: $@a['mean']", "dataset_dir: $@a#b",
        "dataset_dir: $str(cached_dataset('pelvis-radiograph', count=300, seed=0).parent / 'images')",
    ],
)  # fmt: skip
def test_settings_that_tell_of_nobody_pass(tmp_path, text):
    check_settings(config(tmp_path, text))


@pytest.mark.parametrize("name", shipped_bundles())
def test_the_shipped_settings_tell_of_nobody(name):
    check_settings(shipped_bundles()[name])


@pytest.mark.parametrize("content", [b"c:\\users\\maria", b"C:\\USERS\\maria", b"/home/maria/"])
def test_a_home_folder_in_an_exported_model_is_found(tmp_path, content):
    (tmp_path / "model.pt2").write_bytes(b"\0" + content + b"\0")
    with pytest.raises(BundleError, match="holds a path of this computer"):
        check_binary(tmp_path / "model.pt2", "models/model.pt2")
