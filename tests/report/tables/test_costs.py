import csv
import io
from itertools import chain

import pytest

from bench.record_sections import Error
from bench.report.render.formats import csv_table, markdown_table

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}
TRAINS, DOES_NOT = 1_000, 0
NO_NVML = "no NVML device on this machine"


def watts_at(t_s):
    """Idle, loading, training, something in between, answering."""
    return next(watts for until_s, watts in ((0, 50), (1, 100), (31.5, 300), (32, 100), (99, 200)) if t_s < until_s)


def used_bytes_at(t_s):
    """The device's, of which 1 GB is another's."""
    return next(n * 10**9 for until_s, n in ((0, 1), (1, 5), (31.5, 12), (99, 8)) if t_s < until_s)


@pytest.fixture
def gpu_cell(write_cell, gpu_readings, host_readings, measured_of, phases_of):
    """Writes a cell with a GPU whose power, by phase, is known."""

    def write(method="lora", counts=True, settings=None, step_time_s=0.37, **changes):
        phases = phases_of(0 if method == "baseline" else 1)
        readings = list(chain(gpu_readings(watts_at, used_bytes_at, counts), host_readings()))
        measured = measured_of(readings, phases, step_time_s, **(settings or {}))
        return write_cell(method, measured=measured, readings=readings, device_bytes=1, answers=True, **changes)

    return write


def rows_of(table, *keys):
    """The rows of a table's CSV, of the columns asked for."""
    return [tuple(row[key] for key in keys) for row in csv.DictReader(io.StringIO(csv_table(table)))]


def body_of(table):
    """What is under the heading in Markdown: the table and its footnotes, without the remarks."""
    below = markdown_table(table).partition("\n\n")[2]
    return below.partition("\n\nTest examples")[0]


def test_energy_is_that_of_the_steps_of_power(tables_of, gpu_cell, runs):
    gpu_cell("baseline")
    gpu_cell("lora")
    # 1 s at 100 W, 30.5 s at 300 W of which 30 s are training, 0.5 s at 100 W, 5 s at 200 W; 90,000 tokens; idle 50 W
    assert body_of(tables_of(runs)["costs-energy"]) == (
        "| Method | Energy (kJ) | Train energy (kJ) | Energy per 1,000 training tokens (J) | Net energy (kJ) "
        "| Idle power (W) | Mean power (W) | Peak sampled power (W) | Coverage (%) | Residual (%) | Throttled (s) |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| baseline | 10.30<sup>a</sup> | —<sup>b</sup> | —<sup>b</sup> | 8.450 | 50.0 | 278.4 | 300.0 | 100.0 | 0.0 "
        "| 0.0 |\n"
        "| lora | 10.30<sup>a</sup> | 9.000<sup>a</sup> | 100.0 | 8.450 | 50.0 | 278.4 | 300.0 | 100.0 | 0.0 | 0.0 |\n"
        "\n"
        "<sup>a</sup> by NVML's energy counter\n"
        "\n"
        "<sup>b</sup> nothing is trained"
    )
    assert tables_of(runs)["costs-energy"].remarks[-1] == (
        "Not measured: CPU energy (no RAPL energy counter on this machine)."
    )


def test_the_study_s_columns_come_from_the_same_record(tables_of, gpu_cell, runs):
    gpu_cell("lora")
    keys = ("power.peak_sampled_power_w", "memory.device_peak_bytes")
    assert rows_of(tables_of(runs)["model-tiny"], *keys) == [("300", "12000000000")]


def test_energy_without_a_counter_says_that_it_was_integrated(tables_of, gpu_cell, runs):
    gpu_cell("lora", counts=False)
    table = tables_of(runs)["costs-energy"]
    keys = ("power.energy_j", "train_energy_j_per_1000_tokens", "power.residual_percent_missing")
    assert rows_of(table, *keys, "note") == [
        ("10300", "100", "this device does not support the reading", "by integration of sampled power")
    ]


def test_methods_that_differ_are_told_by_seed(tables_of, gpu_cell, runs):
    gpu_cell("lora", seed=0)
    gpu_cell("lora", seed=1, counts=False)
    assert tables_of(runs)["costs-energy"].footnotes[0] == (
        "seed 0: by NVML's energy counter; seed 1: by integration of sampled power"
    )


def test_a_resumed_training_has_no_energy_per_token(tables_of, gpu_cell, runs):
    gpu_cell("lora", training={"resumed_from_step": 40})
    found = tables_of(runs)
    why = "training was resumed: its tokens are those of the whole training, its energy only that of the last run"
    keys = ("train_energy_j_per_1000_tokens", "train_energy_j_per_1000_tokens_missing")
    assert rows_of(found["costs-energy"], *keys) == [("", why)]
    for name in ("costs-time", "costs-energy", "costs-memory", "costs-memory-train", "costs-training"):
        assert found[name].footnotes[0] == "resumed from step 40: costs are those of the run since then"


def test_attempts_that_ran_out_of_memory_are_said_to_be_in_the_costs(tables_of, gpu_cell, runs):
    gpu_cell("lora", training={"micro_batches_tried": (16, 8, 4), "micro_batch": 4})
    found = tables_of(runs)
    for name in ("costs-time", "costs-energy", "costs-memory", "costs-memory-train", "costs-training"):
        assert found[name].footnotes[0] == (
            "ran out of memory at micro batch 16 and 8 first: its time, energy and peaks include that, its step times "
            "and throughput do not"
        )


def test_steps_in_time_with_the_power_sensor_are_said(tables_of, gpu_cell, runs):
    gpu_cell("lora", step_time_s=0.1)
    found = tables_of(runs)
    assert found["costs-energy"].footnotes[0] == (
        "training steps repeat in time with the power sensor, so sampled power may be off by more than the sensor's "
        "own error"
    )
    assert "sensor" not in " ".join(found["costs-time"].footnotes)


def test_carbon_stands_beside_its_factor_where_it_was_set(tables_of, gpu_cell, runs):
    intensity = {"carbon_intensity_g_per_kwh": 360.0, "carbon_intensity_source": "a\u202eb"}
    gpu_cell("lora", settings=intensity)
    table = tables_of(runs)["costs-energy"]
    # 10,300 J are 10.3 / 3600 kWh
    assert rows_of(table, "power.carbon.emission_g") == [("1.03",)]
    assert table.remarks[-2] == (
        "Carbon: energy of the GPU boards alone times the grid's intensity, 360 g/kWh (a\\u202eb)."
    )


def test_without_a_gpu_there_are_reasons_and_the_host_s_figures(
    tables_of, write_cell, runs, host_readings, measured_of, phases_of
):
    for method, trainable in (("baseline", DOES_NOT), ("lora", TRAINS)):
        phases = phases_of(trainable)
        measured = measured_of(host_readings(), phases, gpu=None)
        write_cell(method, measured=measured, missing={"power": "no_nvml"})
    found = tables_of(runs)
    assert "costs-energy" not in found
    rapl = "no RAPL energy counter on this machine"
    assert found["costs-time"].remarks[-2:] == (
        f"Energy and power: not measured ({NO_NVML}; nothing is trained; {rapl}).",
        "Latency of answers: not measured (the cell ended before this).",
    )
    keys = ("memory.device_peak_bytes", "memory.rss_peak_bytes")
    assert rows_of(found["costs-memory"], *keys) == [("", "1500000000")] * 2
    assert rows_of(found["costs-time"], "host.cpu_s") == [("37",)] * 2


def test_time(tables_of, gpu_cell, runs):
    gpu_cell("baseline")
    gpu_cell("lora")
    gpu_cell("qlora", **OOM)
    assert body_of(tables_of(runs)["costs-time"]) == (
        "| Method | Load (s) | Train (s) | Generate (s) | Cell (s) | CPU time (s) |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| baseline | 1.0 | —<sup>a</sup> | 5.0 | 42.2 | 37.0 |\n"
        "| lora | 1.0 | 30.0 | 5.0 | 42.2 | 37.0 |\n"
        "| qlora: **out of memory in train (peak GPU memory 12.00 GB)** | — | — | — | — | — |\n"
        "\n"
        "<sup>a</sup> nothing is trained"
    )
    assert tables_of(runs)["costs-time"].remarks[2:] == (
        "Not measured: Prepare, Score and Latency (the cell has no such phase); Validate and Save (nothing is trained; "
        "the cell has no such phase).",
    )


def test_memory_over_the_whole_cell_and_in_training(tables_of, gpu_cell, runs):
    gpu_cell("lora")
    found = tables_of(runs)
    heads = "| Method | GPU (GB) | Torch reserved (GB) | Torch allocated (GB) | Process RSS (GB) |"
    assert body_of(found["costs-memory"]) == (
        f"{heads} GPU before the cell (GB) |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| lora | 12.00 | 7.00 | 6.00 | 1.50 | 1.00 |"
    )
    assert body_of(found["costs-memory-train"]) == (
        f"{heads}\n| :--- | ---: | ---: | ---: | ---: |\n| lora | 12.00 | 7.00 | 6.00 | 1.50 |"
    )
    for name in ("costs-memory", "costs-memory-train"):
        assert found[name].remarks[-1] == (
            "Not measured: GPU by own processes and Process PSS (nothing was sampled in that time)."
        )


def test_speed_and_size(tables_of, gpu_cell, runs):
    gpu_cell("baseline")
    gpu_cell("lora")
    nothing = "—<sup>a</sup>"
    assert body_of(tables_of(runs)["costs-training"]) == (
        "| Method | Throughput (tokens/s) | Step time, p50 (s) | Step time, p95 (s) | Micro batch | Effective batch "
        "| Saved (MB) |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        f"| baseline | {' | '.join([nothing] * 6)} |\n"
        "| lora | 9876 | 0.123 | 0.200 | 16 | 16 | 0.00410 |\n"
        "\n"
        "<sup>a</sup> nothing is trained"
    )


def test_latency(tables_of, gpu_cell, runs):
    gpu_cell("lora")
    table = tables_of(runs)["costs-latency"]
    assert body_of(table) == (
        "| Method | First token, batch 1, p50 (ms) | First token, batch 1, p95 (ms) | Next token, batch 1, p50 (ms) "
        "| Next token, batch 1, p95 (ms) | Output, batch 1 (tokens/s) | First token, batched, p50 (ms) "
        "| First token, batched, p95 (ms) | Next token, batched, p50 (ms) | Next token, batched, p95 (ms) "
        "| Output, batched (tokens/s) |\n"
        f"| :--- |{' ---: |' * 10}\n"
        "| lora | 12.5 | 20.0 | 5.00 | 7.50 | 200 | 12.5 | 20.0 | 5.00 | 7.50 | 2500 |"
    )
    assert table.remarks[1].endswith("Batched: 16 prompts at once. Runs behind each percentile: 5.")


def test_setups_of_all_models_stand_in_one_table(tables_of, write_cell, runs):
    write_cell("lora", model="llama1b")
    write_cell("lora", model="tiny", seed=1)
    write_cell("qlora", model="tiny", seed=1, training={"effective_batch": 8})
    table = tables_of(runs)["costs-time"]
    assert [column.title for column in table.shown_columns][:3] == ["Model", "Method", "Load"]
    assert rows_of(table, "model", "dataset", "method", "seeds") == [
        ("llama1b", "events", "lora", "0"),
        ("tiny", "events", "lora", "1"),
        ("tiny", "events", "qlora", "1"),
    ]
    assert table.remarks[:2] == (
        "llama1b: Test examples: 60, from 12 documents. One seed: 0.",
        "tiny: Test examples: 60, from 12 documents. One seed: 1.",
    )
    assert table.warnings == ("the cells of tiny differ in training.effective_batch: 16 for lora; 8 for qlora.",)


def test_a_study_of_failures_has_no_tables_of_costs(tables_of, write_cell, runs):
    write_cell("lora", **OOM)
    assert list(tables_of(runs)) == ["model-tiny", "settings-shared", "cells", "failures", "provenance"]
