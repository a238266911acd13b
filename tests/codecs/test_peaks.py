"""Windows in a map: sums and separate maxima, against looking at every window."""

import pytest
import torch

from monai_landmarks.codecs.peaks import separate_peaks, window_mass


def windows(maps, reach, outside):
    """(N, rows, columns, side, side): each pixel's window."""
    side = 2 * reach + 1
    padded = torch.nn.functional.pad(maps, (reach,) * 4, value=outside)
    return padded.unfold(-2, side, 1).unfold(-2, side, 1)


@pytest.mark.parametrize("reach", [1, 2, 3, 4, 8])
def test_the_mass_of_a_window_is_the_sum_of_its_pixels(reach):
    maps = torch.rand(2, 19, 23, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(window_mass(maps, reach), windows(maps, reach, 0.0).sum((-2, -1)))


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_separate_peaks_are_the_largest_of_windows_twice_as_wide(reach):
    score = torch.rand(2, 40, 31, generator=torch.Generator().manual_seed(1))
    peak = score == windows(score, 2 * reach, -torch.inf).amax((-2, -1))
    for one, is_peak, found in zip(score, peak, separate_peaks(score, 3, reach)):
        best = one.masked_fill(~is_peak, -1).flatten().argsort(descending=True)[:3]
        assert found.tolist() == best.tolist()
