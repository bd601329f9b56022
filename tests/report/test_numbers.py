import pytest

from bench.report.numbers import decimals_within, fixed, p_value, significant, with_interval


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [(0.55, 0.62, 3), (0.0, 0.002, 4), (10.0, 30.0, 0), (1.0, 5.0, 1), (1.0, float("inf"), 0)],
)
def test_no_more_decimals_than_two_digits_of_half_the_width(low, high, decimals):
    assert decimals_within(low, high) == decimals


@pytest.mark.parametrize(
    ("number", "digits", "shown"),
    [
        (0.0688912, 4, "0.06889"),
        (4.92157, 4, "4.922"),
        (18.5305, 4, "18.53"),
        (0.0, 4, "0"),
        (100.0, 4, "100.0"),
        (99.996, 4, "100.0"),
        (128256.4, 4, "128256"),
        (0.00012345, 3, "0.000123"),
        (-2.5, 2, "-2.5"),
    ],
)
def test_significant_digits_without_exponents(number, digits, shown):
    assert significant(digits)(number) == shown


def test_what_rounds_to_zero_has_no_sign():
    assert [fixed(1)(number) for number in (-0.04, 0.0, -0.06)] == ["0.0", "0.0", "-0.1"]


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0009999, "<0.001"), (0.0, "<0.001"), (0.001, "0.0010"), (0.04949, "0.049"), (1.0, "1.0")]
)
def test_a_p_value_is_never_0(p, shown):
    assert p_value(p) == shown


@pytest.mark.parametrize(
    ("interval", "shown"),
    [(None, "0.5812"), ((0.58124, 0.58124), "0.5812"), ((0.5512, 0.6187), "0.581 [0.551, 0.619]")],
)
def test_a_number_has_no_more_decimals_than_its_interval_supports(interval, shown):
    assert with_interval(fixed(4), 0.58124, interval) == shown
