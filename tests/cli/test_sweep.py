"""The command as a user types it, in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import store
from bench.cell import Cell
from bench.cli import check, sweep
from bench.cli.compose import job_of
from bench.job import Job
from bench.record import Error, Record

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]

REPOSITORY = Path(__file__).parents[2]
SMALL = (
    "metric=[token_f1]",
    "train.max_steps=2",
    "dataset.train_limit=32",
    "dataset.validation_limit=4",
    "generation.max_new_tokens=4",
    "latency.warmup_runs=0",
    "latency.runs=1",
    "latency.output_tokens=2",
    "telemetry.hz=2",
    "tracker=none",
)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)


def rows(table: str) -> list[list[str]]:
    """The table at the end of the output, by columns that two blanks separate."""
    lines = table.partition("\nTrained weights")[0].strip().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("cell "))
    return [[part.strip() for part in line.split("  ") if part.strip()] for line in lines[start:]]


def test_a_grid_of_models_and_methods_runs_and_is_skipped_when_done(tmp_path: Path) -> None:
    grid = ("-m", *SMALL, f"runs={tmp_path}", "study=grid", "method=baseline,lora", "seed=0,1")
    first = bench(*grid)
    assert (first.returncode, first.stderr) == (0, "")
    table = rows(first.stdout)
    assert table[0] == ["cell", "status", "score", "time", "peak memory"]
    assert [row[:2] for row in table[1:]] == [
        ["baseline seed 0", "ok"],
        ["baseline seed 1", "ok"],
        ["lora seed 0", "ok"],
        ["lora seed 1", "ok"],
    ]
    lines = first.stdout.splitlines()
    assert lines[:2] == ["1 of 4  baseline seed 0  load", "1 of 4  baseline seed 0  prepare"]
    assert "4 of 4  lora seed 1  train" in lines
    assert [line.startswith("sweep: about ") for line in lines].count(True) == 3
    assert f"Trained weights: {tmp_path}/grid/*/adapter" in lines
    records = sorted((tmp_path / "grid").glob("*/record.json"))
    assert [record.parent.name[: -len("-0123456789ab")] for record in records] == [
        "tiny-baseline-events-s0",
        "tiny-baseline-events-s1",
        "tiny-lora-events-s0",
        "tiny-lora-events-s1",
    ]
    starts_s = [time_to_first_step(record.parent) for record in records if "-lora-" in record.parent.name]
    assert all(start_s is not None for start_s in starts_s)

    again = bench(*grid)
    assert again.returncode == 0
    assert again.stdout.count("skipped: its record is complete; force=true runs it again") == 4


def time_to_first_step(folder: Path) -> float | None:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    steps = [event["at_s"] for event in events if event["kind"] == "step"]
    return steps[0] - events[0]["at_s"] if steps else None


def test_workers_of_another_launcher_supervise_their_cells(tmp_path: Path) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = bench("-m", *launcher, *SMALL, f"runs={tmp_path}", "method=baseline,lora")
    assert done.returncode == 0, done.stderr
    assert [row[1] for row in rows(done.stdout)[1:]] == ["ok", "ok"]
    assert "2 of 2  lora  train" in done.stdout
    assert "sweep: about" not in done.stdout


def test_a_failing_cell_does_not_stop_the_sweep(tmp_path: Path) -> None:
    done = bench("-m", *SMALL, f"runs={tmp_path}", "method=baseline", "prompt.max_length=8,512")
    assert done.returncode == 3
    assert "Traceback" not in done.stdout + done.stderr
    assert "in prepare: No training example fits into 8 tokens" in done.stdout
    assert [row[1] for row in rows(done.stdout)[1:]] == ["failed", "ok"]


def test_the_table_is_printed_whatever_a_cell_raises(tmp_path: Path, compose: Compose) -> None:
    data = tmp_path / "data.csv"
    data.write_text("q;a\n" + "".join(f"What is {number} + 1?;{number + 1}\n" for number in range(200)))
    columns = ("dataset.instruction_column=q", "dataset.input_column=null", "dataset.output_column=a")
    settings = [*SMALL, f"runs={tmp_path}", "method=baseline", "dataset=alpaca", f"dataset.train={data}", *columns]
    # The first cell cannot write its settings, and the data of the last one is deleted while the second runs.
    (job_of(compose(*settings, "seed=0")).folder() / "config.yaml").mkdir(parents=True)
    process = start("-m", *settings, "seed=0,1,2")
    wait_until(lambda: any('"generate"' in path.read_text() for path in tmp_path.glob("default/*/events.jsonl")))
    data.unlink()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert f"{data}: cannot be read (No such file or directory); name an existing file" in out
    assert [row[1] for row in rows(out)[1:]] == ["not run", "ok", "not run"]


def test_a_fault_of_tunebench_in_one_cell_does_not_stop_the_sweep(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from bench.cli import check\n"
        "from bench.supervisor import supervise\n"
        "def broken(job, place): raise RuntimeError(f'no luck with seed {job.cell.seed}')\n"
        "supervise.supervise, check.faults = broken, lambda cells: []\n"
        "from bench.__main__ import main\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "-m", *SMALL, f"runs={tmp_path}", "seed=0,1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert [line for line in done.stderr.splitlines() if line.startswith("RuntimeError")] == [
        "RuntimeError: no luck with seed 0",
        "RuntimeError: no luck with seed 1",
    ]
    assert [row[:2] for row in rows(done.stdout)[1:]] == [["seed 0", "not run"], ["seed 1", "not run"]]


MISTAKES = {
    "a misspelled choice": (
        ["method=lorra"],
        "method: there is no 'lorra'; choose one of baseline, lora, qlora, toplayer. Did you mean lora?",
    ),
    "a misspelled setting": (
        ["method.rnak=8"],
        "method.rnak: there is no such setting; method has adapter_dtype, alpha, dropout, learning_rate, name, rank, "
        "target_modules. Did you mean rank?",
    ),
    "a misspelled group": (
        ["metod=lora"],
        "metod: there is no such setting; the top level has dataset, force, generation, latency, method, "
        "method_by_model, metric, model, prompt, runs, seed, study, telemetry, timeout_s, tracker, train. "
        "Did you mean method?",
    ),
    "a value out of range": (["method.rank=0"], "method.rank: must be at least 1, got 0 (conf/method/lora.yaml)"),
    "a value of the wrong type": (
        ["method.rank=2.5"],
        "method.rank: must be a whole number, got 2.5 (conf/method/lora.yaml)",
    ),
    "one bad value of a sweep": (
        ["-m", "method.rank=8,0"],
        "method.rank: must be at least 1, got 0 (conf/method/lora.yaml)",
    ),
    "a choice that is not offered": (
        ["method=qlora", "method.bits=3"],
        "method.bits: must be 4 or 8, got 3 (conf/method/qlora.yaml)",
    ),
    "a file that is not there": (
        ["dataset.train=/nowhere/train.jsonl"],
        "/nowhere/train.jsonl: cannot be read (No such file or directory); name an existing file",
    ),
    "no choice for a group": (
        ["method=null"],
        "method: null is not a valid choice; choose one of baseline, lora, qlora, toplayer",
    ),
    "one bad choice of a sweep, and the flag behind it": (
        ["method=lora,nope", "-m"],
        "method: there is no 'nope'; choose one of baseline, lora, qlora, toplayer",
    ),
    "one bad choice of a list": (
        ["metric=[bleu,nope]"],
        "metric: there is no 'nope'; choose one of answer_macro_f1, bertscore, bleu, evaluate, exact_match, "
        "perplexity, rouge, token_f1",
    ),
    "a sweep over nothing": (
        ["-m", "seed=range(0)"],
        "This sweep has no cell: one of its settings was given no value.",
    ),
    "a variable that is not set": (["study=${nowhere}"], "study: Interpolation key 'nowhere' not found"),
    "one of Hydra's own settings": (
        ["hydra.mode=NOPE"],
        "hydra.mode: Invalid value 'NOPE', expected one of [RUN, MULTIRUN]",
    ),
    "a configuration that is not there": (
        ["--config-name", "nope"],
        "Cannot find primary config 'nope'. Check that it's in your config search path.",
    ),
    "flags that do not go together": (
        ["--resolve"],
        "The --resolve flag can only be used in conjunction with --cfg or --help",
    ),
    "another sweeper": (
        ["-m", "hydra.sweeper._target_=elsewhere.OtherSweeper", "seed=0,1"],
        "hydra/sweeper: only Hydra's basic sweeper can be used, got elsewhere.OtherSweeper; leave this option out",
    ),
    "a file that Hydra would unpickle": (
        ["--experimental-rerun", "config.pickle"],
        "--experimental-rerun: refused, because it unpickles its file, which can run any code; "
        "type the settings instead",
    ),
    "a broken quote": (
        ["study='x"],
        "study='x: cannot be read; quote a value with special characters twice, as in 'KEY=\"VALUE\"'",
    ),
    "a class from outside": (
        ["method._target_=os.system"],
        "method: _target_ must name a class of this project (bench. ...), got 'os.system' (conf/method/lora.yaml)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_before_anything_runs(tmp_path: Path, mistake: str) -> None:
    arguments, sentence = MISTAKES[mistake]
    done = bench(*arguments, f"runs={tmp_path / 'runs'}")
    assert done.returncode == 2
    assert done.stderr == f"{sentence}\nNothing was started.\n"
    assert done.stdout == ""
    assert not list(tmp_path.rglob("record.json"))


def test_a_run_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bench(f"runs={tmp_path / 'file'}", "tracker=none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{tmp_path}/file/default cannot be written in (Not a directory); give another folder with runs=...\n"
        "Nothing was started.\n"
    )


def test_all_faults_of_data_and_models_are_listed_together(tmp_path: Path) -> None:
    columns, overlap, validation = (str(tmp_path / f"{name}.csv") for name in ("columns", "overlap", "validation"))
    Path(columns).write_text("question;answer\nWhy?;So.\n")
    Path(overlap).write_text("instruction\tinput\toutput\nWhy?\t\tSo.\n")
    Path(validation).write_text("instruction,input,output\n WHY?,,Because.\n")
    model = tmp_path / "model"
    shutil.copytree(REPOSITORY / "bench" / "tiny", model, ignore=shutil.ignore_patterns("*.safetensors"))
    done = bench(
        *("-m", f"runs={tmp_path / 'runs'}", f"model.path=embedded,{model}", "seed=0,1"),
        *("method=lora", "method.target_modules=[nope]", "dataset=alpaca"),
        *(f"dataset.train={columns},{overlap}", f"dataset.validation={validation}"),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{columns}:2: no column 'instruction'; name one of the columns 'question', 'answer' with "
        "dataset.instruction_column",
        "validation shares 1 of its 1 documents with training ('056cc9f5a7bad779'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.validation=PATH",
        "method.target_modules: this model has no linear layer named nope; it has down_proj, gate_proj, k_proj, "
        "lm_head, o_proj, q_proj, up_proj, v_proj (model tiny, method lora)",
        f"{model} has no safetensors weights, and no others are read. Convert it first, "
        "point model.path at a local copy, or measure resources alone with model.weights=random.",
        "Nothing was started.",
    ]
    assert not list(tmp_path.rglob("record.json"))


def test_only_cells_that_will_run_are_checked(
    tmp_path: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch, record: Record
) -> None:
    checked: list[Cell] = []
    monkeypatch.setattr(sweep, "planned", [])
    monkeypatch.setattr(check, "faults", lambda cells: checked.extend(cells) or [])
    configs = [compose(f"runs={tmp_path}", f"seed={seed}") for seed in range(3)]
    for seed, status in ((0, "ok"), (1, "interrupted")):
        folder = job_of(configs[seed]).folder()
        folder.mkdir(parents=True)
        error = None if status == "ok" else Error(type="Interrupted", message="stopped", phase=None)
        ended = Record.model_validate(record.model_dump() | {"status": status, "error": error})
        store.write_record(folder, ended)
    sweep.plan(configs)
    assert [cell.seed for cell in checked] == [1, 2]
    assert [cell.job.cell.seed for cell in sweep.planned] == [0, 1, 2]


def test_a_record_that_cannot_be_read(tmp_path: Path, compose: Compose) -> None:
    path = job_of(compose(*SMALL, f"runs={tmp_path}")).folder() / "record.json"
    path.mkdir(parents=True)
    done = bench(*SMALL, f"runs={tmp_path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{path} cannot be read (Is a directory); make it readable, remove it, or give another folder with runs=...\n"
        "Nothing was started.\n"
    )


def test_a_fault_of_the_plan_itself_is_no_warning(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> Job:
        raise RuntimeError("no luck")

    monkeypatch.setattr(sweep, "job_of", broken)
    with pytest.raises(SystemExit) as ended:
        sweep.Plan().on_run_start(compose())
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == [
        "This is a fault of tunebench (RuntimeError: no luck); please report it with the lines above.",
        "Nothing was started.",
    ]


def test_settings_are_shown_and_nothing_else(tmp_path: Path) -> None:
    done = bench("method=qlora", "--cfg", "job", "--package", "method")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# @package method\n")
    assert "cell" not in done.stdout


def start(*arguments: str) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


def test_interrupting_the_command_records_the_cell_and_stops_the_sweep(tmp_path: Path) -> None:
    process = start("-m", *SMALL, f"runs={tmp_path}", "method=lora,toplayer", "train.max_steps=100000")
    wait_until(lambda: any('"step"' in path.read_text() for path in tmp_path.glob("default/*/events.jsonl")))
    # As a terminal does it: to every process of the foreground group.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "Traceback" not in out + err
    assert [row[:2] for row in rows(out)[1:]] == [
        ["lora", "interrupted"],
        ["toplayer", "not run"],
    ]


def test_a_batch_system_that_ends_every_process_before_the_cell_has_begun(tmp_path: Path) -> None:
    process = start(*SMALL, f"runs={tmp_path}", "train.max_steps=100000")
    # While the supervisor still waits for the cell's idle readings.
    wait_until(lambda: any(path.read_text().count("\n") > 3 for path in tmp_path.glob("default/*/telemetry.jsonl")))
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
    assert process.returncode == 3
    assert [row[:2] for row in rows(out)[1:]] == [["tiny lora events seed 0", "interrupted"]]


def test_stopping_the_command_while_it_checks(tmp_path: Path) -> None:
    process = start(*SMALL, f"runs={tmp_path}")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(
        lambda: any(
            b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()
        )
    )
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (3, "Stopped.\n")
    assert [row[:2] for row in rows(out)[1:]] == [["tiny lora events seed 0", "not run"]]
    assert not list(tmp_path.rglob("events.jsonl"))


def test_help_is_quick_to_import_and_shows_what_there_is() -> None:
    script = (
        "import sys; sys.argv = ['bench', '--help']\n"
        "from bench.__main__ import main\n"
        "status = main()\n"
        "heavy = {'torch', 'transformers', 'pydantic', 'pandas'} & set(sys.modules)\n"
        "print(status, heavy, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr == "0 set()\n"
    for text in ("method       baseline, lora, qlora, toplayer", "experiment=demo", "seed=0,1,2", "exit status:"):
        assert text in done.stdout


def test_the_supervisor_never_imports_torch(tmp_path: Path) -> None:
    script = (
        "import runpy, sys\n"
        "try:\n  runpy.run_module('bench', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n"
        "  print(end.code, {'torch', 'transformers', 'trl'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *SMALL, f"runs={tmp_path}", "method=baseline"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr == "0 set()\n"
