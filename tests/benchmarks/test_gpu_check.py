"""The verdicts on a record, as far as they can be had without a GPU."""

from gpu_check import Verdict, line, of_record

from bench.machine import Gpu
from bench.record import Record


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


def test_the_gpus_of_a_cell_are_those_that_pytorch_sees_and_all_are_used(record: Record) -> None:
    gpus = tuple(Gpu(name="H100", uuid=uuid, memory_bytes=1) for uuid in ("GPU-a", "GPU-b"))
    environment = record.environment.model_copy(update={"gpu": gpus})

    def verdicts(seen: tuple[str, ...], placement: dict[str, str]) -> list[Verdict]:
        assert record.base is not None
        base = record.base.model_copy(update={"gpus": seen, "placement": placement})
        return list(of_record(record.model_copy(update={"environment": environment, "base": base})))[2:4]

    measured, spread = "tiny lora: PyTorch's GPU is the one that is measured", "tiny lora: spread"
    assert verdicts(("GPU-a", "GPU-b"), {"embed": "cuda:0", "head": "cuda:1"}) == [
        Verdict(True, measured, "GPU-a, GPU-b"),
        Verdict(True, spread, "cuda:0, cuda:1"),
    ]
    assert verdicts(("GPU-c",), {}) == [Verdict(False, measured, "GPU-c"), Verdict(False, spread, "")]


def test_a_verdict_is_a_line() -> None:
    assert line(Verdict(True, "llama1b lora: mean_power_w", "312.4 W")) == "ok    llama1b lora: mean_power_w   312.4 W"
    assert line(Verdict(False, "llama1b lora: power", "no_nvml")) == "NOT   llama1b lora: power   no_nvml"
