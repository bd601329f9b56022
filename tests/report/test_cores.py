import os

import pytest

from bench.report.cores import WORTH, on_all_cores


def doubled(number):
    return 2 * number


def process_of(_):
    return os.getpid()


@pytest.mark.parametrize("n_cores", [1, 2])
def test_results_come_in_the_order_of_the_items(n_cores):
    assert on_all_cores(doubled, list(range(20)), n_cores) == [2 * number for number in range(20)]


def test_few_items_stay_in_this_process():
    assert on_all_cores(process_of, range(WORTH - 1)) == [os.getpid()] * (WORTH - 1)
    assert os.getpid() not in on_all_cores(process_of, range(3), n_cores=2)
