"""What the telemetry benchmark computes from the steps that it measured; measuring them takes minutes."""

import numpy as np
import pytest
from telemetry_overhead import Block, Change, change, summarise, table, verdicts

from bench.telemetry.gather import Gathered
from bench.telemetry.reading import Reading
from bench.telemetry.sampler import Recording

BLOCK_S = 3.0


def worked(step_s: dict[int, float], n_rounds: int) -> tuple[np.ndarray, list[Block]]:
    """Steps whose durations depend on the number of samplers, and the blocks that they are in."""
    steps, blocks, now_s = [], [], 0.0
    for number in range(n_rounds):
        for samplers, seconds in step_s.items():
            blocks.append(Block(number, samplers, now_s, now_s + BLOCK_S))
            steps += [(now_s + at * seconds, seconds) for at in range(1, round(BLOCK_S / seconds))]
            now_s += BLOCK_S
    return np.array(steps), blocks


@pytest.fixture
def recordings() -> list[Recording]:
    """Of one sampler: ten readings, one of them after a missed one and late, and a tenth of a second of a core."""
    readings = [Reading("host", tick / 10, 0.05 if tick == 9 else 0.001, int(tick == 9)) for tick in range(10)]
    readings.append(Reading("host", 1.0, facts={"closed": {"status": "ok", "cpu_s": 0.1}}))
    return [Recording(Gathered.of(readings), file_bytes=None)]


def test_of_many_samplers_each_has_its_share(recordings: list[Recording]) -> None:
    result = summarise("train", *worked({0: 0.1, 1: 0.101, 20: 0.11}, n_rounds=3), 20, recordings)
    assert (result.n_rounds, result.stalled) == (3, {0: 0, 1: 0, 20: 0})
    assert result.one.percent == pytest.approx(1.0)
    assert (result.share.low_percent, result.share.percent, result.share.high_percent) == pytest.approx((0.5, 0.5, 0.5))
    # A tenth of a second in three blocks of three
    assert result.core_percent == {"host": pytest.approx(100 * 0.1 / 9)}
    assert result.missed_percent == pytest.approx(100 / 11)
    # Between 1 ms and the one of 50 ms, at nine hundredths of the way to it
    assert result.lateness_s_p99 == pytest.approx(0.001 + 0.91 * 0.049)


def test_a_round_with_a_stalled_block_is_left_out(recordings: list[Recording]) -> None:
    steps, blocks = worked({0: 0.1, 1: 0.1, 20: 0.1}, n_rounds=3)
    stood = blocks[5]
    within = (steps[:, 0] >= stood.begun_s) & (steps[:, 0] < stood.ended_s)
    result = summarise("train", steps[~within], blocks, 20, recordings)
    assert (result.n_rounds, result.stalled) == (2, {0: 0, 1: 0, 20: 1})
    with pytest.raises(SystemExit, match="use a longer --block-s"):
        summarise("train", steps[:40], blocks, 20, recordings)


def test_a_sampler_that_hung_is_not_one_that_took_nothing() -> None:
    closed = Reading("host", 1.0, facts={"closed": {"status": "hung", "cpu_s": None}})
    hung = Recording(Gathered.of([closed]), file_bytes=None)
    with pytest.raises(SystemExit, match="hung"):
        summarise("train", *worked({0: 0.1, 1: 0.1, 20: 0.1}, n_rounds=1), 20, [hung])


def test_the_interval_is_of_rounds() -> None:
    result = change(np.array([1.0, 1.1, 1.2, 1.3, 1.4]), 10)
    assert result.percent == pytest.approx(2.0)
    assert (result.low_percent, result.high_percent) == pytest.approx((0.0, 4.0))


def test_the_limit_holds_for_the_upper_end(recordings: list[Recording]) -> None:
    result = summarise("train", *worked({0: 0.1, 1: 0.1, 20: 0.111}, n_rounds=3), 20, recordings)
    assert [kept for _, kept in verdicts([result])] == [False, False, False]
    assert str(Change(0.1, -0.25, 0.5)) == "+0.10 % (-0.25 to +0.50)"
    assert "| 3 | 0 + 0 + 0 | 252 | 100.0 ms | +0.00 %" in table([result], 20)
