"""Which texts count as a path of a computer."""

import pytest

from monai_landmarks.sharing.privacy import ABSOLUTE


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
