"""The verdicts on a record, as far as they can be had without a GPU."""

import sys
from pathlib import Path

from bench.record import Record

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from gpu_check import Verdict, line, of_record


def test_a_cell_without_a_gpu_is_told_of_line_by_line(record: Record) -> None:
    assert list(of_record(record)) == [
        Verdict(True, "tiny lora: ended", "ok"),
        Verdict(False, "tiny lora: GPU", "no_nvml"),
        Verdict(True, "tiny lora: torch_allocated_peak", "0.00 GB"),
        Verdict(True, "tiny lora: torch_reserved_peak", "0.00 GB"),
        Verdict(False, "tiny lora: device_peak", "no_nvml"),
        Verdict(True, "tiny lora: rss_peak", "0.90 GB"),
        Verdict(False, "tiny lora: power", "no_nvml"),
    ]


def test_a_verdict_is_a_line() -> None:
    assert line(Verdict(True, "llama1b lora: mean_power_w", "312.4 W")) == "ok    llama1b lora: mean_power_w   312.4 W"
    assert line(Verdict(False, "llama1b lora: power", "no_nvml")) == "NOT   llama1b lora: power   no_nvml"
