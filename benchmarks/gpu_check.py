"""Everything that only a real GPU can show, in one command: `make gpu-check`.

Runs the tests marked `gpu`, then cells with random weights on a real architecture, and prints a verdict per line: what
was looked at, what was found, and whether that is as it should be. Exits with 1 if anything is not.

    python benchmarks/gpu_check.py [--model llama1b] [--steps 400]
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.record import Record
from bench.supervisor.lease import candidates

METHODS = ("baseline", "lora", "qlora", "toplayer")
RESIDUAL_PERCENT = 5.0
"""How far sampled energy may lie from the counter's; a board's own error is about as large."""
COVERAGE = 0.95
LONG_S = 60.0
"""A stretch of training over which counter and integral are worth comparing."""


class Verdict(NamedTuple):
    """One thing that was looked at."""

    good: bool
    what: str
    found: str


def main() -> int:
    """Run the checks; gives the exit status."""
    parser = argparse.ArgumentParser(description="Check what only a GPU can show.")
    parser.add_argument("--model", default="llama1b", help="architecture of the cells (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="training steps of each cell (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the cells are put (default: runs)")
    options = parser.parse_args()
    verdicts = [gpu_tests()]
    print(line(verdicts[0]), flush=True)
    run_cells(options.model, options.steps, options.runs, "study=gpu_check", f"method={','.join(METHODS)}")
    if len(candidates(1)) > 1:
        run_cells(options.model, options.steps, options.runs, "study=gpu_check_two", "method=lora", "gpus_per_cell=2")
    for path in sorted(options.runs.glob("gpu_check*/*/record.json")):
        for verdict in of_record(Record.model_validate_json(path.read_text())):
            verdicts.append(verdict)
            print(line(verdict), flush=True)
    return 0 if all(verdict.good for verdict in verdicts) else 1


def gpu_tests() -> Verdict:
    """The tests marked `gpu`; what they print stands above the verdicts."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-m", "gpu", "-s", "-q", "-rs"], check=False)
    return Verdict(done.returncode == 0, "tests marked gpu", f"pytest's exit status {done.returncode}")


def run_cells(model: str, steps: int, runs: Path, *settings: str) -> None:
    """Cells with random weights."""
    command = [sys.executable, "-m", "bench", "-m", f"model={model}", "model.weights=random", *settings]
    command += [f"runs={runs}", "tracker=none", "force=true"]
    command += ["train.epochs=1000", f"train.max_steps={steps}", "metric=[token_f1]"]
    subprocess.run(command, check=False)


def of_record(record: Record) -> Iterator[Verdict]:
    """What one cell's record must show on a machine with a GPU."""
    name = f"{record.cell['model']['name']} {record.cell['method']['name']}"
    ending = record.status if record.error is None else f"{record.status}: {record.error.message}"
    yield Verdict(record.status == "ok", f"{name}: ended", ending)
    gpus = ", ".join(gpu.name for gpu in record.environment.gpu or ())
    yield Verdict(bool(gpus), f"{name}: GPU", gpus or record.missing.get("environment.gpu", "none"))
    if record.base is not None and gpus:
        same = record.base.gpus == tuple(gpu.uuid for gpu in record.environment.gpu or ())
        yield Verdict(same, f"{name}: PyTorch's GPU is the one that is measured", ", ".join(record.base.gpus))
    if record.environment.gpu and len(record.environment.gpu) > 1:
        used = sorted(set(record.base.placement.values())) if record.base else []
        yield Verdict(len(used) == len(record.environment.gpu), f"{name}: spread", ", ".join(used))
    memory = record.memory
    for field in ("torch_allocated_peak_bytes", "torch_reserved_peak_bytes", "device_peak_bytes", "rss_peak_bytes"):
        value = getattr(memory, field, None)
        found = f"{value / 1e9:.2f} GB" if value else record.missing.get(f"memory.{field}", "nothing")
        yield Verdict(bool(value), f"{name}: {field.removesuffix('_bytes')}", found)
    if record.power is None:
        yield Verdict(False, f"{name}: power", record.missing.get("power", "nothing"))
        return
    power = record.power
    yield Verdict(power.coverage >= COVERAGE, f"{name}: coverage", f"{power.coverage:.3f} of the cell")
    for field, unit in (("energy_j", "J"), ("mean_power_w", "W"), ("peak_sampled_power_w", "W"), ("idle_power_w", "W")):
        value = getattr(power, field)
        found = f"{value:.1f} {unit}" if value is not None else record.missing.get(f"power.{field}", "nothing")
        yield Verdict(value is not None, f"{name}: {field}", found)
    train = power.phases.get("train")
    if train is not None:
        residual = train.residual_percent
        reason = record.missing.get("power.phases.train.residual_percent", "nothing")
        found = f"{residual:+.2f} % over {train.seconds:.0f} s" if residual is not None else reason
        good = residual is not None and abs(residual) <= RESIDUAL_PERCENT and train.seconds >= LONG_S
        yield Verdict(good, f"{name}: integral against counter, at least {LONG_S:.0f} s", found)


def line(verdict: Verdict) -> str:
    """Such as `ok    llama1b lora: mean_power_w   312.4 W`."""
    return f"{'ok' if verdict.good else 'NOT':5} {verdict.what}   {verdict.found}"


if __name__ == "__main__":
    sys.exit(main())
