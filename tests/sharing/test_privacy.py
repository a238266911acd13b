"""Which texts count as a path of a computer, and where names are looked for."""

import json

import pytest

from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.privacy import ABSOLUTE, check_texts


@pytest.mark.parametrize(
    "text",
    [
        "/home/maria/x.json", "see /mnt/data/hips", "'/srv/x/y'", "path=/tmp/abc", "(/opt/x/y)", "C:\\Users\\maria",
        "D:/hips/a.dcm", "\\\\server\\share", "~/hips", "~maria/hips", "file:///etc/passwd", '"/root/.cache"',
        "$'/data/hips' + @a",
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
