import json

from bench.report.read.problem import Problem
from bench.report.read.study import read_studies
from bench.report.read.traces import one_of_each_setup_first
from bench.telemetry.gather import Gathered
from bench.telemetry.reading import read_file
from bench.telemetry.trace import thin, to_json
from bench.telemetry.windows import Stretch


def phases_of(folder):
    phases = json.loads((folder / "record.json").read_text())["phases"]
    return [Stretch(phase["name"], phase["start_s"], phase["seconds"]) for phase in phases]


def test_the_trace_that_the_supervisor_wrote_is_read_in_place_of_the_readings(write_cell, runs):
    cell = write_cell("lora")
    thinned = thin(Gathered.of(read_file(cell / "telemetry.jsonl")), phases_of(cell), hz=10.0)
    (cell / "trace.json").write_text(to_json(thinned))
    (cell / "telemetry.jsonl").unlink()
    (study,) = read_studies(runs)
    assert study.problems == ()
    assert study.traces[f"demo/{cell.name}"].rss_bytes.mean.tolist() == thinned.rss_bytes.mean.tolist()


def test_a_trace_that_is_of_another_run_or_broken_is_made_from_the_readings(write_cell, runs):
    other = write_cell("lora", folder="a-other")
    torn = write_cell("lora", seed=1, folder="b-torn")
    expected = thin(Gathered.of(read_file(other / "telemetry.jsonl")), phases_of(other), hz=10.0)
    (other / "trace.json").write_text(to_json(thin(Gathered(), [Stretch("load", 0.0, 1.0)], hz=10.0)))
    (torn / "trace.json").write_text('{"n_bins":600')
    (study,) = read_studies(runs)
    assert sorted(study.traces) == ["demo/a-other", "demo/b-torn"]
    assert study.traces["demo/a-other"].rss_bytes.peak.tolist() == expected.rss_bytes.peak.tolist()
    assert study.problems == (
        Problem("demo/b-torn/trace.json", "is cut off or broken, so telemetry.jsonl was read, which takes longer."),
    )


def test_one_seed_of_each_setup_comes_before_the_second_of_any(write_cell, runs):
    for seed in (0, 1, 2):
        for method in ("baseline", "lora"):
            write_cell(method, seed=seed, folder=f"{method}-{seed}")
    cells = read_studies(runs)[0].cells
    assert [cell.folder for cell in one_of_each_setup_first(cells, 3)] == [
        "demo/baseline-0",
        "demo/baseline-1",
        "demo/lora-0",
    ]
