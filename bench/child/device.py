"""The device that a cell computes on: waiting for it, its memory, and how running out of memory looks."""

import gc

import torch
from accelerate.utils.memory import should_reduce_batch_size

OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""In the RuntimeErrors of CUDA, cuBLAS and cuDNN that cannot allocate memory, besides those that accelerate knows."""


def on_gpu() -> bool:
    """Whether this process has initialised CUDA. Asking does not initialise it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _gpus() -> range:
    """The numbers of the GPUs that this process uses; none before CUDA is initialised."""
    return range(torch.cuda.device_count() if on_gpu() else 0)


def uuids() -> tuple[str, ...]:
    """The UUIDs of the GPUs that torch sees, as NVML writes them; none without CUDA, which this initialises."""
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(n_gpus))


def synchronize() -> None:
    """Wait until all devices have finished their work, so that a clock that is read next includes it."""
    for index in _gpus():
        torch.cuda.synchronize(index)


def reset_peaks() -> None:
    """Let `allocated_peak` and `reserved_peak` count from now on."""
    for index in _gpus():
        torch.cuda.reset_peak_memory_stats(index)


def allocated_peak() -> int | None:
    """Most bytes that tensors held, summed over the peaks of all GPUs; None without one."""
    return sum(map(torch.cuda.max_memory_allocated, _gpus())) if on_gpu() else None


def reserved_peak() -> int | None:
    """Most bytes that torch took from the devices, summed over the peaks of all GPUs; None without one."""
    return sum(map(torch.cuda.max_memory_reserved, _gpus())) if on_gpu() else None


def release_memory() -> None:
    """Free what is no longer referenced, so that the peak of the next phase is its own."""
    gc.collect()
    if on_gpu():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that device or host memory ran out."""
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    text = str(error)
    # Accelerate ignores errors with several arguments, and fails on one that is not a string.
    known = isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(RuntimeError(text))
    return known or any(part in text for part in OUT_OF_MEMORY)
