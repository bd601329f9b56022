from typing import get_args

from matplotlib.colors import to_rgb

from bench.phase import TINTS, PhaseName


def test_every_phase_has_a_colour_of_its_own_that_a_line_can_be_read_on():
    assert list(TINTS) == list(get_args(PhaseName))
    assert len(set(TINTS.values())) == len(TINTS)
    assert all(sum(to_rgb(colour)) / 3 > 0.7 for colour in TINTS.values())
