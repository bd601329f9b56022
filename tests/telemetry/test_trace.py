import numpy as np
import pytest

from bench.telemetry.gather import Gathered
from bench.telemetry.reading import Reading, parse
from bench.telemetry.trace import BINS, from_json, thin, to_json
from bench.telemetry.windows import Stretch

PHASES = (Stretch("load", 100.0, 100.0), Stretch("train", 200.0, 500.0))
BOARDS = {"GPU-a": {"name": "A"}, "GPU-b": {"name": "B"}}


def board_readings(*answers, uuids=("GPU-a",), begin_s=100.05):
    """At 10 Hz, a twentieth of a second off the bins' edges, the answers of each board, None for none."""
    facts = {"devices": {uuid: BOARDS[uuid] for uuid in uuids}}
    readings = [Reading("gpu", begin_s - 0.1, facts=facts)]
    for tick, both in enumerate(zip(*answers, strict=True)):
        devices = {uuid: answer for uuid, answer in zip(uuids, both, strict=True) if answer is not None}
        readings.append(Reading("gpu", begin_s + tick / 10, 0.0, values={"devices": devices}))
    return readings


def watts(*runs):
    """Readings of one board: (watts, how many readings) one after the other."""
    return [{"power_w": power} for power, count in runs for _ in range(count)]


def trace_of(readings, phases=PHASES):
    return thin(Gathered.of(readings), phases, hz=10.0)


def test_a_step_of_power_is_a_step_in_one_bin():
    trace = trace_of(board_readings(watts((100.0, 1000), (300.0, 5000))))
    # 600 s in 600 bins; the first reading is 0.05 s late, and the last one before the step holds for 0.05 s after it
    assert trace.phases == (Stretch("load", 0.0, 100.0), Stretch("train", 100.0, 500.0))
    assert np.allclose(trace.edges_s, np.arange(601), rtol=0, atol=1e-9)
    assert np.allclose(trace.power_w.mean, [100.0] * 100 + [0.05 * 100 + 0.95 * 300] + [300.0] * 499, atol=1e-6)
    assert trace.power_w.peak.tolist() == pytest.approx([100.0] * 100 + [300.0] * 500)
    assert (trace.device_bytes, trace.rss_bytes) == (None, None)


def test_a_single_high_sample_survives_whatever_the_length():
    spiked = watts((200.0, 36_000))
    spiked[20_004] = {"power_w": 650.0}
    trace = trace_of(board_readings(spiked), phases=[Stretch("train", 100.0, 3600.0)])
    assert len(trace.power_w.mean) == BINS
    # Bins of 6 s: the sample at 2000.45 s is in bin 333, for a tenth of a second
    expected = [200.0] * BINS
    expected[333] = 650.0
    assert trace.power_w.peak.tolist() == pytest.approx(expected)
    expected[333] = 200.0 + 450.0 * 0.1 / 6
    assert trace.power_w.mean.tolist() == pytest.approx(expected)


def test_a_gap_is_a_gap_after_half_a_second():
    answers = watts((100.0, 6000))
    answers[1000:1100] = [None] * 100
    trace = trace_of(board_readings(answers))
    # Readings are missing from 100.05 s to 109.95 s; the one at 99.95 s holds until 100.45 s
    assert np.flatnonzero(np.isnan(trace.power_w.mean)).tolist() == list(range(101, 110))
    assert np.array_equal(np.isnan(trace.power_w.peak), np.isnan(trace.power_w.mean))
    assert trace.power_w.mean[[99, 100, 110]].tolist() == pytest.approx([100.0, 100.0, 100.0])


def test_a_short_cell_has_no_more_bins_than_readings():
    trace = trace_of(board_readings(watts((50.0, 20))), phases=[Stretch("load", 100.0, 2.0)])
    assert len(trace.edges_s) == 21
    assert trace.power_w.mean.tolist() == pytest.approx([50.0] * 20)


def test_boards_are_summed_only_when_all_answer():
    one = [{"power_w": 100.0, "memory_used_bytes": 3}] * 6000
    other = [{"power_w": 50.0, "memory_used_bytes": 4}] * 3000 + [None] * 3000
    trace = trace_of(board_readings(one, other, uuids=("GPU-a", "GPU-b")))
    for series, total in ((trace.power_w, 150.0), (trace.device_bytes, 7.0)):
        assert series.mean[:301].tolist() == pytest.approx([total] * 301)
        assert np.isnan(series.mean[301:]).all()


def test_process_memory_comes_from_the_host():
    trace = trace_of(Reading("host", 100.05 + tick / 10, 0.0, values={"rss_bytes": tick}) for tick in range(6000))
    # The largest in bin k is the reading at its 10th tick; their mean is that of ten, half a tick late
    assert trace.rss_bytes.peak.tolist() == pytest.approx([10.0 * k + 9 for k in range(600)])
    assert trace.rss_bytes.mean[1:].tolist() == pytest.approx([10.0 * k + 4 for k in range(1, 600)])
    assert trace.power_w is None


@pytest.mark.parametrize(
    "broken",
    [
        b'{"role":"gpu","t_s":400.1,"val',
        b'{"role":"gpu","t_s":400.1,"values":{"devices":{"GPU-a":{"power_w":1e999}}}}\n',
        b'{"role":"gpu","t_s":NaN,"values":{"devices":{"GPU-a":{"power_w":900}}}}\n',
        b'{"role":"gpu","t_s":"later","values":{"devices":{"GPU-a":{"power_w":900}}}}\n',
        b'{"role":"gpu","t_s":400.1,"values":{"devices":{"GPU-a":{"power_w":"much"}}}}\n',
        b'{"role":"gpu","t_s":400.1,"values":{"devices":{"GPU-a":{"power_w":1' + b"0" * 400 + b"}}}}\n",
        b'{"role":"gpu","t_s":400.1,"values":[]}\n',
        b'{"role":"gpu","t_s":400.1,"values":{"devices":[900]}}\n',
        b'{"role":"gpu","t_s":400.1,"facts":{"devices":7}}\n',
        b'{"loss":3}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_what_follows_a_line_that_the_sampler_did_not_write_is_not_read(broken):
    whole = [reading.to_line() for reading in board_readings(watts((100.0, 3000)))]
    after = Reading("gpu", 500.0, 0.0, values={"devices": {"GPU-a": {"power_w": 900.0}}}).to_line()
    trace = trace_of(parse([*whole, broken, after]))
    assert trace.power_w.peak[:300].tolist() == pytest.approx([100.0] * 300)
    assert np.isnan(trace.power_w.peak[301:]).all()


def test_a_cell_without_a_phase_has_no_trace():
    assert trace_of([], phases=[]) is None
    assert trace_of([], phases=[Stretch("load", 1.0, 0.0)]) is None
    assert trace_of([], phases=[Stretch("load", 1.0, float("inf"))]) is None


def test_the_file_of_a_trace_gives_every_number_back():
    answers = [{"power_w": 100.0 + tick / 3, "memory_used_bytes": tick} for tick in range(6000)]
    answers[1000:1100] = [None] * 100
    trace = trace_of(board_readings(answers))
    text = to_json(trace)
    again = from_json(text, PHASES)
    assert (again.phases, again.rss_bytes) == (trace.phases, None)
    assert np.array_equal(again.edges_s, trace.edges_s)
    for one, other in ((again.power_w, trace.power_w), (again.device_bytes, trace.device_bytes)):
        assert np.array_equal(one.mean, other.mean, equal_nan=True)
        assert np.array_equal(one.peak, other.peak, equal_nan=True)
    assert text.startswith('{"n_bins":600,"phases":[["load",0.0,100.0],["train",100.0,500.0]],"power_w":{"mean":[10')


def test_the_file_of_another_run_of_the_cell_is_not_taken():
    text = to_json(trace_of(board_readings(watts((100.0, 6000)))))
    assert from_json(text, [Stretch("load", 100.0, 100.0), Stretch("train", 200.0, 499.0)]) is None
    assert from_json(text, []) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('{"n_bins":600,"phases":[["load",0.0,1', "Invalid JSON: EOF"),
        ("{}", "Field required"),
        (
            '{"n_bins":2,"phases":[["load",0,1]],"power_w":{"mean":[1],"peak":[1]},"device_bytes":null,'
            '"rss_bytes":null}',
            "every series must have n_bins numbers",
        ),
        ('{"n_bins":0,"phases":[],"power_w":null,"device_bytes":null,"rss_bytes":null}', "greater than 0"),
        (
            '{"n_bins":1000000000000,"phases":[],"power_w":null,"device_bytes":null,"rss_bytes":null}',
            "less than or equal to 600",
        ),
        (b"\xff", "expected value"),
    ],
)
def test_what_is_no_such_file_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        from_json(wrong, PHASES)
