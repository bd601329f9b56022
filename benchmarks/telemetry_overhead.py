"""Measure what telemetry costs the cell beside it, and how punctual it is.

    python benchmarks/telemetry_overhead.py

A child process trains (then another one tokenises) without pause. As a supervisor does, this process samples it during
some blocks of time, and rests during others. A round is one block without a sampler, one with one sampler and one with
many side by side; the order changes from round to round, so that a drifting machine favours none.

The effect of one sampler on the step time is smaller than the machine's own noise; the effect of many is not. The table
shows both, the latter divided by the number of samplers. That share can be smaller than the effect of one sampler, if
many block one another, or larger, if they share warm caches. Processor time and lateness are those of one sampler.

On a machine with other users, many short rounds say more than a few long ones. A cell that trains on a GPU leaves cores
to the sampler; to imitate that, set OMP_NUM_THREADS and RAYON_NUM_THREADS to one less than the number of cores. Prints
a Markdown table and the machine that it is from. Exits with 1 if a limit is exceeded.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.supervisor.environment import environment
from bench.telemetry import Telemetry
from bench.telemetry.host import Host
from bench.telemetry.nvml import Nvml
from bench.telemetry.sampler import Recording, Sampler

STEP_TIME_PERCENT = 0.5
CORE_PERCENT = 1.0
LATENESS_S = 0.020


def train() -> Iterator[None]:
    """Steps of a small random Llama, about 50 ms each on a CPU core; of a larger one on a GPU."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    cuda = torch.cuda.is_available()
    width, layers, batch, length = (1024, 8, 8, 512) if cuda else (128, 4, 2, 64)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
    )
    device = torch.device("cuda" if cuda else "cpu")
    model = LlamaForCausalLM(config).to(device, torch.bfloat16 if cuda else torch.float32)
    optimizer = torch.optim.AdamW(model.parameters())
    tokens = torch.randint(0, config.vocab_size, (batch, length), device=device)
    while True:
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        yield


def tokenise() -> Iterator[None]:
    """Batches of text through a BPE tokenizer on all cores, and through Python, which holds the interpreter's lock."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 9))) for _ in range(5000)]
    texts = [" ".join(rng.choice(words, 200)) for _ in range(50)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=2000, show_progress=False))
    while True:
        rows = [{"input_ids": row.ids, "labels": [-100, *row.ids[1:]]} for row in tokenizer.encode_batch(texts)]
        json.dumps(rows)
        yield


WORKLOADS: dict[str, Callable[[], Iterator[None]]] = {"train": train, "tokenise": tokenise}


def work(workload: str, log: Path) -> None:
    """Run steps for ever; the end and the duration of each are a line of `log`."""
    steps = WORKLOADS[workload]()
    with log.open("w", buffering=1) as file:
        while True:
            begun_s = time.monotonic()
            next(steps)
            ended_s = time.monotonic()
            file.write(f"{ended_s} {ended_s - begun_s}\n")


@dataclass(frozen=True)
class Change:
    """How much longer steps take beside samplers than without, with its 95 % interval."""

    percent: float
    low_percent: float
    high_percent: float

    def __str__(self) -> str:
        return f"{self.percent:+.2f} % ({self.low_percent:+.2f} to {self.high_percent:+.2f})"


@dataclass(frozen=True)
class Overhead:
    """The results of one workload."""

    workload: str
    n_rounds: int
    """Rounds in which every block has enough steps."""
    stalled: dict[int, int]
    """Number of samplers to the number of blocks with too few steps: if sampling caused that, it would grow."""
    n_steps: int
    step_time_s: float
    one: Change
    """With one sampler."""
    share: Change
    """With many samplers, divided by their number."""
    core_percent: dict[str, float]
    """Of one sampler, by what it reads."""
    lateness_s_p99: float
    missed_percent: float


class Block(NamedTuple):
    """A part of a round with a number of samplers at work, which may be 0; monotonic time."""

    round: int
    samplers: int
    begun_s: float
    ended_s: float


def measure(workload: str, settings: Telemetry, rounds: int, many: int, block_s: float, warmup_s: float) -> Overhead:
    """Run `workload`, and beside it in each of `rounds` no sampler, one and `many`, for `block_s` each."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "steps.txt"
        child = subprocess.Popen([sys.executable, __file__, "--work", workload, str(log)])
        try:
            while child.poll() is None and (not log.exists() or log.stat().st_size == 0):
                time.sleep(0.1)
            time.sleep(warmup_s)
            blocks, recordings = [], []
            orders = itertools.cycle(itertools.permutations((0, 1, many)))
            for number, order in zip(range(rounds), orders, strict=False):
                for samplers in order:
                    begun_s = time.monotonic()
                    kept = sample(settings, Path(folder), samplers, child.pid, block_s)
                    blocks.append(Block(number, samplers, begun_s, begun_s + block_s))
                    if samplers == 1:
                        recordings += kept
            if child.poll() is not None:
                raise SystemExit(f"the workload `{workload}` ended early with exit status {child.returncode}")
            steps = np.array([line.split() for line in log.read_text().splitlines()[:-1]], dtype=float)
            return summarise(workload, steps, blocks, many, recordings)
        finally:
            child.kill()
            child.wait()


def sample(settings: Telemetry, folder: Path, samplers: int, pid: int, seconds: float) -> list[Recording]:
    """Run `samplers` samplers side by side for `seconds`, with their ticks spread evenly; gives what they recorded."""
    until_s = time.monotonic() + seconds
    at_work = []
    for number in range(samplers):
        sampler = Sampler(settings, folder / f"telemetry-{time.monotonic_ns()}.jsonl")
        sampler.start()
        sampler.watch(pid)
        at_work.append(sampler)
        if number + 1 < samplers:
            time.sleep(1.0 / (settings.hz * samplers))
    time.sleep(max(0.0, until_s - time.monotonic()))
    return [sampler.stop() for sampler in at_work]


def summarise(
    workload: str, steps: np.ndarray, blocks: list[Block], many: int, recordings: list[Recording]
) -> Overhead:
    """Figures of one workload."""
    means = {}
    for block in blocks:
        inside = (steps[:, 0] - steps[:, 1] >= block.begun_s) & (steps[:, 0] < block.ended_s)
        # A machine that stalls for seconds says nothing about sampling, so its round is left out.
        if np.count_nonzero(inside) >= 10:
            # Means, not medians: a delay of one step in twenty counts as well.
            means[block.round, block.samplers] = steps[inside, 1].mean()
    sizes = (0, 1, many)
    numbers = sorted({block.round for block in blocks})
    rounds = [number for number in numbers if all((number, size) in means for size in sizes)]
    if 2 * len(rounds) < len(numbers):
        raise SystemExit(f"fewer than 10 steps of `{workload}` fit into many a block: use a longer --block-s")
    rest, one, more = (np.array([means[number, size] for number in rounds]) for size in sizes)
    cpu_s: dict[str, float] = {}
    late_s, missed = [], 0
    for recording in recordings:
        for role in ("gpu", "host"):
            source = getattr(recording.gathered, role)
            if source.status == "hung":
                raise SystemExit(f"a sampler of `{workload}` hung: what it took of a core is not known")
            if source.cpu_s is not None:
                cpu_s[role] = cpu_s.get(role, 0.0) + source.cpu_s
            late_s += source.late_s.value
            missed += source.n_missed
    sampled_s = sum(block.ended_s - block.begun_s for block in blocks if block.samplers == 1)
    return Overhead(
        workload=workload,
        n_rounds=len(rounds),
        stalled={size: sum((number, size) not in means for number in numbers) for size in sizes},
        n_steps=len(steps),
        step_time_s=float(np.median(steps[:, 1])),
        one=change(one / rest, 1),
        share=change(more / rest, many),
        core_percent={role: 100.0 * seconds / sampled_s for role, seconds in cpu_s.items()},
        lateness_s_p99=float(np.percentile(late_s, 99)),
        missed_percent=100.0 * missed / (missed + len(late_s)),
    )


def change(ratios: np.ndarray, samplers: int) -> Change:
    """What each of `samplers` adds, from the ratios of step times with them to those without, one ratio per round.

    The interval is a bootstrap over rounds.
    """
    changes = 100.0 * (ratios - 1.0) / samplers
    # A median over rounds is not moved by a round in which the machine was busy with something else.
    drawn = np.median(np.random.default_rng(0).choice(changes, (10_000, len(changes))), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Change(float(np.median(changes)), float(low), float(high))


def table(overheads: list[Overhead], many: int) -> str:
    """Markdown."""
    lines = [
        f"| while the cell | rounds | stalled blocks (with 0 + 1 + {many} samplers) | steps | step time (p50) "
        "| change of step time with a sampler (95 % interval) "
        f"| a {many}th of that with {many} | of one core | lateness (p99) | missed ticks |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in overheads:
        stalled = " + ".join(map(str, one.stalled.values()))
        parts = " + ".join(f"{role} {percent:.2f}" for role, percent in one.core_percent.items())
        lines.append(
            f"| {one.workload}s | {one.n_rounds} | {stalled} | {one.n_steps} | {one.step_time_s * 1e3:.1f} ms "
            f"| {one.one} | {one.share} "
            f"| {sum(one.core_percent.values()):.2f} % ({parts}) "
            f"| {one.lateness_s_p99 * 1e3:.2f} ms | {one.missed_percent:.2f} % |"
        )
    return "\n".join(lines)


def verdicts(overheads: list[Overhead]) -> list[tuple[str, bool]]:
    """Each limit in words, and whether it is met."""
    return [
        verdict
        for one in overheads
        for verdict in (
            (
                f"{one.workload}: step time grows by less than {STEP_TIME_PERCENT} %, to the interval's upper end",
                one.share.high_percent < STEP_TIME_PERCENT,
            ),
            (f"{one.workload}: less than {CORE_PERCENT} % of a core", sum(one.core_percent.values()) < CORE_PERCENT),
            (f"{one.workload}: p99 lateness under {LATENESS_S * 1e3:.0f} ms", one.lateness_s_p99 < LATENESS_S),
        )
    ]


def machine() -> str:
    """The machine and the versions that the figures are from."""
    import torch

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    cores = f"{len(os.sched_getaffinity(0))} cores of which {torch.get_num_threads()} train"
    return (
        f"{cpu}, {cores}, {gpu}; Python {platform.python_version()}, "
        f"torch {torch.__version__}, nvidia-ml-py {version('nvidia-ml-py')}, {platform.release()}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=60, help="blocks of each kind (default: %(default)s)")
    parser.add_argument("--many", type=int, default=20, help="samplers side by side (default: %(default)s)")
    parser.add_argument("--block-s", type=float, default=3.0)
    parser.add_argument("--warmup-s", type=float, default=5.0)
    parser.add_argument("--work", nargs=2, metavar=("WORKLOAD", "LOG"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], Path(arguments.work[1]))
    settings = Telemetry(name="default", hz=arguments.hz, gpu=Nvml(name="nvml"), host=Host(name="host"))
    overheads = [
        measure(workload, settings, arguments.rounds, arguments.many, arguments.block_s, arguments.warmup_s)
        for workload in WORKLOADS
    ]
    content = environment(settings.gpu)[0]
    print(f"Commit: {content.git_commit}{', with changes' if content.git_dirty else ''}.")
    print(
        f"Samplers at {arguments.hz:g} Hz; {arguments.rounds} rounds of three blocks of {arguments.block_s:g} s: "
        f"none, one, {arguments.many}."
    )
    print(f"Machine: {machine()}.\n")
    print(table(overheads, arguments.many), end="\n\n")
    judged = verdicts(overheads)
    for claim, kept in judged:
        print(f"- {'ok' if kept else 'EXCEEDED'}: {claim}")
    sys.exit(0 if all(kept for _, kept in judged) else 1)


if __name__ == "__main__":
    main()
