from dataclasses import replace

from bench.report.compare.comparability import shared_boards
from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies
from bench.telemetry.sections import Sampling


def sentences(runs):
    (comparison,) = comparisons_of(read_studies(runs)[0].cells)
    assert set(shared_boards(comparison.title, comparison.setups)) <= set(comparison.warnings)
    return shared_boards(comparison.title, comparison.setups)


def test_cells_beside_which_other_processes_used_the_gpu_are_named(
    measured_of, gpu_readings, phases_of, runs, write_cell
):
    alone = measured_of(gpu_readings(lambda t_s: 300.0, lambda t_s: 10**9), phases_of(1_000))
    shared = replace(alone, telemetry=Sampling(**alone.telemetry.model_dump() | {"shared_board": {"GPU-1": True}}))
    for seed in (0, 1):
        write_cell("lora", seed=seed, measured=alone)
    assert sentences(runs) == []
    write_cell("qlora", seed=0, measured=alone)
    write_cell("qlora", seed=1, measured=shared)
    write_cell("toplayer", measured=shared)
    assert sentences(runs) == [
        "tiny, qlora seed 1, toplayer: other processes used the GPU as well, so times, power, energy and device memory "
        "are not those of the cell alone."
    ]
