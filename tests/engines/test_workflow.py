import pytest

from monai_landmarks.engines.workflow import check_switches, refuse_special_paths
from monai_landmarks.errors import ConfigError


@pytest.mark.parametrize("value", ["false", "False", "no", 0, None])
def test_what_only_looks_like_a_switch_is_refused(value):
    with pytest.raises(ConfigError, match=f"--resume {value}: must be True or False.*--resume True or --resume False"):
        check_switches(resume=value, amp=True)


def test_every_wrong_switch_is_named():
    check_switches(resume=True, amp=False)
    with pytest.raises(ConfigError, match="--amp off, --progress true: must"):
        check_switches(amp="off", resume=False, progress="true")


@pytest.mark.parametrize("path", ["a#b", "$a", "@a"])
def test_paths_that_configs_would_run_are_refused(path):
    with pytest.raises(ConfigError, match="rename it"):
        refuse_special_paths([path])
