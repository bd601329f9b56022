"""One study on several machines. Its cells are real processes without torch; a machine is a name of its own."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from bench import store
from bench.report.compare.comparisons import comparisons_of
from bench.report.read.study import read_studies

Bench = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "subprocess.Popen[str]"]
WaitUntil = Callable[[Callable[[], bool]], None]

SMALL = ("tracker=none", "metric=[token_f1]", "telemetry.hz=1", "telemetry.gpu=null", "study=faq", "method=baseline")


def on(host: str) -> str:
    return f"import platform\nplatform.node = lambda: {host!r}"


def hosts(runs: Path) -> list[str | None]:
    records = [store.read_record(folder) for folder in sorted(runs.glob("faq/*-s*/"))]
    return [record and record.environment.host for record in records]


def test_studies_of_two_machines_merge_by_copying(bench: Bench, tmp_path: Path) -> None:
    for host, seed in (("n1", 0), ("n2", 1)):
        done = bench("-m", *SMALL, f"runs={tmp_path / host}", f"seed={seed}", script=on(host))
        assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run(["cp", "-a", tmp_path / "n2" / "faq", tmp_path / "n1"], check=True)
    assert hosts(tmp_path / "n1") == ["n1", "n2"]
    # Nothing runs again, wherever the study goes on.
    again = bench("-m", *SMALL, f"runs={tmp_path / 'n1'}", "seed=0,1", script=on("n3"))
    assert again.returncode == 0
    assert again.stdout.count("ok  skipped: its record is complete") == 2
    (study,) = read_studies(tmp_path / "n1")
    assert not any(problem.broken for problem in study.problems)
    (comparison,) = comparisons_of(study.cells, study.predictions)
    assert comparison.setups[0].seeds == (0, 1)
    assert "the cells of tiny differ in their host: n1 for baseline seed 0; n2 for baseline seed 1." in (
        comparison.warnings
    )


def test_two_machines_share_one_folder(start: Start, bench: Bench, wait_until: WaitUntil, tmp_path: Path) -> None:
    command = ("-m", *SMALL, f"runs={tmp_path}", "seed=0,1")
    first = start(*command, script=on("n1"), LIGHT_CELL_S="1000")
    wait_until(lambda: any('"train"' in path.read_text() for path in tmp_path.glob("faq/*/events.jsonl")))
    second = bench(*command, script=on("n2"))
    assert "is being run by another sweep on n1\n" in second.stdout
    assert (second.returncode, hosts(tmp_path)) == (3, [None, "n2"])
    assert [row.split()[:3] for row in second.stdout.splitlines()[-2:]] == [
        ["seed", "0", "running"],
        ["seed", "1", "ok"],
    ]
    # The machine fails in the middle of its cell.
    first.kill()
    first.wait()
    third = bench(*command, script=on("n2"))
    assert (third.returncode, hosts(tmp_path)) == (0, ["n2", "n2"])
