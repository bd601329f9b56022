"""The command as a user types it, in a process of its own."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import store
from bench.cell import Cell
from bench.cli import check, sweep
from bench.cli.compose import job_of
from bench.configuration import choices
from bench.job import Job
from bench.record import Record
from bench.record_sections import Error

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]
Bench = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
WaitUntil = Callable[[Callable[[], bool]], None]

REPOSITORY = Path(__file__).parents[2]
METHODS = ", ".join(choices("method"))
METRICS = ", ".join(choices("metric"))
SMALL = (
    "metric=[token_f1]",
    "train.max_steps=2",
    "dataset.train_limit=32",
    "dataset.tune_limit=4",
    "dataset.test_limit=4",
    "generation.max_new_tokens=4",
    "latency.warmup_runs=0",
    "latency.runs=1",
    "latency.output_tokens=2",
    "telemetry.hz=2",
    "tracker=none",
)


JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
STOPPING = "Stopping after the current step; Ctrl-C again stops at once."


def began(runs: Path) -> list[Path]:
    """The cells whose processes have begun."""
    return [path.parent for path in runs.glob("default/*/events.jsonl") if '"train"' in path.read_text()]


def rows(table: str) -> list[list[str]]:
    """The table at the end of the output, by columns that two blanks separate."""
    lines = table.partition("\nTrained weights")[0].strip().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("cell "))
    return [[part.strip() for part in line.split("  ") if part.strip()] for line in lines[start:]]


def test_a_grid_with_cells_that_fail_runs_and_is_skipped_when_done(bench: Bench, tmp_path: Path) -> None:
    grid = ("-m", *SMALL, f"runs={tmp_path}", "study=grid", "method=baseline,lora")
    first = bench(*grid, "prompt.max_length=512,8", modules=None)
    assert (first.returncode, first.stderr) == (3, "")
    table = rows(first.stdout)
    assert table[0] == ["cell", "status", "score", "time", "peak memory"]
    assert [row[:2] for row in table[1:]] == [
        ["baseline max length 512", "ok"],
        ["baseline max length 8", "failed"],
        ["lora max length 512", "ok"],
        ["lora max length 8", "failed"],
    ]
    lines = first.stdout.splitlines()
    assert lines[:2] == ["1 of 4  baseline max length 512  load", "1 of 4  baseline max length 512  prepare"]
    assert "3 of 4  lora max length 512  train" in lines
    assert "2 of 4  baseline max length 8  failed  in prepare: No training example fits into 8 tokens" in first.stdout
    assert [line.startswith("sweep: about ") for line in lines].count(True) == 3
    assert f"Trained weights: {tmp_path}/grid/*/adapter" in lines
    folders = sorted(path.parent for path in (tmp_path / "grid").glob("*/record.json"))
    assert [folder.name[: -len("-0123456789ab")] for folder in folders] == [
        *("tiny-baseline-events-s0", "tiny-baseline-events-s0", "tiny-lora-events-s0", "tiny-lora-events-s0")
    ]
    steps = [(folder / "events.jsonl").read_text().count('"kind":"step"') for folder in folders]
    assert sorted(steps) == [0, 0, 0, 2]

    again = bench(*grid)
    assert again.returncode == 0
    assert again.stdout.count("skipped: its record is complete; force=true runs it again") == 2


def test_workers_of_another_launcher_supervise_their_cells(bench: Bench, tmp_path: Path) -> None:
    done = bench("-m", *JOBLIB, *SMALL, f"runs={tmp_path}", "method=baseline,lora", "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in rows(done.stdout)[1:]] == [
        ["baseline seed 0", "ok"],
        ["baseline seed 1", "ok"],
        ["lora seed 0", "ok"],
        ["lora seed 1", "ok"],
    ]
    assert "4 of 4  lora seed 1  train" in done.stdout
    assert "sweep: about" not in done.stdout


@pytest.mark.parametrize("everybody", [True, False])
def test_workers_that_are_stopped_write_their_records(
    start: Start, wait_until: WaitUntil, tmp_path: Path, everybody: bool
) -> None:
    """A terminal sends Ctrl-C to all processes, `docker stop` sends SIGTERM to the first."""
    process = start("-m", *JOBLIB, *SMALL, f"runs={tmp_path}", "seed=0,1,2", LIGHT_CELL_S="300")
    wait_until(lambda: len(began(tmp_path)) == 2)
    if everybody:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.replace("\n", "") == 2 * STOPPING + "Stopped."
    assert [row[1] for row in rows(out)[1:]] == ["interrupted", "interrupted", "not run"]


def test_the_table_is_printed_whatever_a_cell_raises(
    start: Start, wait_until: WaitUntil, tmp_path: Path, compose: Compose
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("q;a\nWhat is 1 + 1?;2\n")
    columns = ("dataset.instruction_column=q", "dataset.input_column=null", "dataset.output_column=a")
    settings = [*SMALL, f"runs={tmp_path}", "method=baseline", "dataset=records", f"dataset.train={data}", *columns]
    # The first cell cannot write its settings, and the data of the last one is deleted while the second runs.
    (job_of(compose(*settings, "seed=0")).folder() / "config.yaml").mkdir(parents=True)
    process = start("-m", *settings, "seed=0,1,2", LIGHT_CELL_S="1")
    wait_until(lambda: began(tmp_path) != [])
    data.unlink()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert f"{data}: cannot be read (No such file or directory); name an existing file" in out
    assert [row[1] for row in rows(out)[1:]] == ["not run", "ok", "not run"]


def test_a_fault_of_tunebench_in_one_cell_does_not_stop_the_sweep(bench: Bench, tmp_path: Path) -> None:
    script = (
        "from bench.cli import sweep\n"
        "def broken(job, place): raise RuntimeError(f'no luck with seed {job.cell.seed}')\n"
        "sweep.supervise = broken"
    )
    done = bench("-m", *SMALL, f"runs={tmp_path}", "seed=0,1", script=script)
    assert done.returncode == 3
    assert [line for line in done.stderr.splitlines() if line.startswith("RuntimeError")] == [
        "RuntimeError: no luck with seed 0",
        "RuntimeError: no luck with seed 1",
    ]
    assert [row[:2] for row in rows(done.stdout)[1:]] == [["seed 0", "not run"], ["seed 1", "not run"]]


def test_a_cell_that_was_to_run_again_and_did_not_has_not_run(bench: Bench, tmp_path: Path) -> None:
    command = ("-m", *SMALL, f"runs={tmp_path}", "seed=0,1", "force=true")
    assert bench(*command).returncode == 0
    first, _ = sorted(tmp_path.glob("default/*/"))
    with store.locked(first):
        done = bench(*command)
    assert done.returncode == 3
    assert f"1 of 2  seed 0  {first} is being run by another sweep on {platform.node()}\n" in done.stdout
    assert [row[:2] for row in rows(done.stdout)[1:]] == [["seed 0", "running"], ["seed 1", "ok"]]
    (first / ".lock").unlink()
    (first / ".lock").mkdir()
    assert rows(bench(*command).stdout)[1][:2] == ["seed 0", "not run"]


def test_a_study_that_belongs_to_somebody_else_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "default" / "multirun.yaml").mkdir(parents=True)
    done = bench("-m", *SMALL, f"runs={tmp_path}", "seed=0,1")
    assert (done.returncode, done.stderr) == (
        3,
        f"{tmp_path}/default/multirun.yaml: Is a directory; allow it, or give another folder with runs=..., "
        "and run again\n",
    )
    assert [row[:2] for row in rows(done.stdout)[1:]] == [["seed 0", "not run"], ["seed 1", "not run"]]


MISTAKES = {
    "a misspelled choice": (
        ["method=lorra"],
        f"method: there is no 'lorra'; choose one of {METHODS}. Did you mean lora?",
    ),
    "a misspelled setting": (
        ["method.rnak=8"],
        "method.rnak: there is no such setting; method=lora has adapter_dtype, alpha, dropout, learning_rate, name, "
        "rank, search, target_modules. Did you mean rank?",
    ),
    "a setting that was renamed": (
        ["dataset.validation=faq.csv"],
        "dataset.validation: there is no such setting; dataset=events has language, name, questions_per_document, "
        "seed, test, test_documents, test_limit, train, train_documents, train_limit, tune, tune_documents, "
        "tune_limit. Did you mean test?",
    ),
    "a setting of another group": (
        ["generation.max_length=64"],
        "generation.max_length: there is no such setting; generation has batch, max_new_tokens, stop. Did you mean "
        "prompt.max_length?",
    ),
    "a misspelled group": (
        ["metod=lora"],
        "metod: there is no such setting; the top level has allow_mixed, checkpoint_minutes, dataset, force, "
        "generation, gpu_locks, gpus_per_cell, latency, method, method_by_model, metric, model, "
        "prompt, runs, scored_on, seed, study, telemetry, timeout_s, tracker, train, tuned. Did you mean method?",
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
    "no path of a model": (
        ["model=hub"],
        "model: which one? Give model.path=OWNER/NAME, a name on the hub, or model.path=FOLDER (conf/model/hub.yaml)",
    ),
    "a folder that is not there": (
        ["model=local", "model.path=nowhere"],
        "model.path: there is no folder nowhere; name one with a config.json and safetensors weights, or choose "
        "model=hub for a name on the hub",
    ),
    "a folder without a model": (
        ["model=local", "model.path=bench"],
        "bench has no config.json, so no model can be loaded from it. Did you mean bench/tiny?",
    ),
    "two models of one name": (
        ["-m", "model=hub", "model.path=a/small,b/small,a/large", "seed=0,1"],
        "model.name: a/small and b/small would all be called small; run each in a command of its own, with another "
        "model.name=NAME",
    ),
    "no choice for a group": (
        ["method=null"],
        f"method: null is not a valid choice; choose one of {METHODS}",
    ),
    "one bad choice of a sweep, and the flag behind it": (
        ["method=lora,nope", "-m"],
        f"method: there is no 'nope'; choose one of {METHODS}",
    ),
    "one bad choice of a list": (
        ["metric=[bleu,nope]"],
        f"metric: there is no 'nope'; choose one of {METRICS}",
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
    "a sweep without the flag": (
        ["seed=0,1"],
        "seed=0,1: several values need -m, which runs a cell for each; write a list in brackets, as in [0,1]",
    ),
    "a broken quote": (
        ["study='x"],
        "study='x: close all brackets, and quote special characters twice, as in 'KEY=\"VALUE\"'",
    ),
    "a comma too many": (
        ["-m", "seed=0,1,"],
        "seed=0,1,: a value is missing next to a comma; separate values by commas alone, as in 0,1,2",
    ),
    "a file alone": (
        [str(Path(__file__))],
        f"{Path(__file__)}: must be KEY=VALUE; for a data file, type dataset.train={Path(__file__)}",
    ),
    "a word": (["run"], "run: must be KEY=VALUE, such as method=lora; `tunebench --help` lists what there is"),
    "a misspelt command": (["reprot"], "reprot: there is no such command. Did you mean `tunebench report`?"),
    "a class from outside": (
        ["method._target_=os.system"],
        "method: _target_ must name a class of tunebench, got 'os.system'; to let the code of os run with your rights, "
        "start the command with TUNEBENCH_ALLOW=os (conf/method/lora.yaml)",
    ),
}


ONE_AFTER_ANOTHER = """
import contextlib, io, json, os, sys
from pathlib import Path
from bench.__main__ import main
from bench.cli import sweep
for number, arguments in enumerate(json.loads(sys.argv[1])):
    if os.fork() == 0:
        sys.argv[1:] = arguments
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main()
            except SystemExit as ended:
                status = ended.code
        Path(sys.orig_argv[-1], str(number)).write_text(json.dumps([status, out.getvalue(), err.getvalue()]))
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """Exit status, output and errors of the command with every mistake, each in a fork of one process."""
    folder = tmp_path_factory.mktemp("answers")
    typed = [[*arguments, f"runs={folder / 'runs'}"] for arguments, _ in MISTAKES.values()]
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(typed), str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=120)
    assert not list(folder.rglob("record.json"))
    return {name: json.loads((folder / str(number)).read_text()) for number, name in enumerate(MISTAKES)}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_before_anything_runs(answers: dict[str, list[object]], mistake: str) -> None:
    _, sentence = MISTAKES[mistake]
    assert answers[mistake] == [2, "", f"{sentence}\nNothing was started.\n"]


def test_a_run_folder_that_cannot_be(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bench(f"runs={tmp_path / 'file'}", "tracker=none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{tmp_path}/file/default cannot be written in (Not a directory); give another folder with runs=...\n"
        "Nothing was started.\n"
    )


def test_all_faults_of_data_and_models_are_listed_together(bench: Bench, tmp_path: Path) -> None:
    columns, overlap, test = (str(tmp_path / f"{name}.csv") for name in ("columns", "overlap", "test"))
    Path(columns).write_text("question;answer\nWhy?;So.\n")
    Path(overlap).write_text("instruction\tinput\toutput\nWhy?\t\tSo.\n")
    Path(test).write_text("instruction,input,output\n WHY?,,Because.\n")
    model = tmp_path / "model"
    shutil.copytree(REPOSITORY / "bench" / "tiny", model, ignore=shutil.ignore_patterns("*.safetensors"))
    done = bench(
        *("-m", f"runs={tmp_path / 'runs'}", "model=local", f"model.path=bench/tiny,{model}", "seed=0,1"),
        *("method=lora", "method.target_modules=[nope]", "dataset=records", "dataset.tune_fraction=0"),
        *(f"dataset.train={columns},{overlap}", f"dataset.test={test}"),
        modules=None,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{columns}:2: no column 'instruction'; name one of the columns 'question', 'answer' with "
        "dataset.instruction_column",
        "test shares 1 of its 1 documents with training ('056cc9f5a7bad779'); "
        "remove them from one of the two and name the files with dataset.train=PATH dataset.test=PATH; "
        "for tables, dataset.quality.overlap=drop leaves them out",
        "method.target_modules: this model has no linear layer named nope; it has down_proj, gate_proj, k_proj, "
        "lm_head, o_proj, q_proj, up_proj, v_proj; name those, or give all-linear (model tiny, method lora)",
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
    monkeypatch.setattr(check, "faults", lambda cells, _: checked.extend(cells) or [])
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


def test_records_that_cannot_be_read_are_no_warning(bench: Bench, tmp_path: Path, compose: Compose) -> None:
    folder, link = (job_of(compose(f"runs={tmp_path}", f"seed={seed}")).folder() / "record.json" for seed in (0, 1))
    folder.mkdir(parents=True)
    link.parent.mkdir()
    link.symlink_to(link)
    done = bench("-m", f"runs={tmp_path}", "seed=0,1,2")
    assert (done.returncode, done.stdout) == (2, "")
    advice = "make it readable, remove it, or give another folder with runs=...\n"
    assert done.stderr == (
        f"{folder} cannot be read (Is a directory); {advice}"
        f"{link} cannot be read (Too many levels of symbolic links); {advice}"
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


def test_settings_are_shown_and_nothing_else(bench: Bench) -> None:
    done = bench("method=qlora", "--cfg", "job", "--package", "method")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# @package method\n")
    assert "cell" not in done.stdout


def test_interrupting_the_command_records_the_cell_and_stops_the_sweep(
    start: Start, wait_until: WaitUntil, tmp_path: Path
) -> None:
    process = start("-m", *SMALL, f"runs={tmp_path}", "method=lora,toplayer", LIGHT_CELL_S="300")
    wait_until(lambda: began(tmp_path) != [])
    # As a terminal does it: to every process of the foreground group.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (3, f"\n{STOPPING}\nStopped.\n")
    assert [row[:2] for row in rows(out)[1:]] == [["lora", "interrupted"], ["toplayer", "not run"]]


def test_a_terminal_that_closes_interrupts_its_cell(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    process = start(*SMALL, f"runs={tmp_path}", LIGHT_CELL_S="300")
    wait_until(lambda: began(tmp_path) != [])
    # The kernel and the shell may send it both, and nobody reads the output any more.
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    for _ in range(2):
        os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(timeout=60) == 3
    (folder,) = tmp_path.glob("default/*/")
    record = store.read_record(folder)
    assert record is not None
    assert (record.status, record.error and record.error.phase) == ("interrupted", "train")


def test_a_batch_system_that_ends_every_process_before_the_cell_has_begun(
    start: Start, wait_until: WaitUntil, tmp_path: Path
) -> None:
    process = start(*SMALL, f"runs={tmp_path}", LIGHT_CELL_S="300")
    # While the supervisor still waits for the cell's idle readings.
    wait_until(lambda: any(path.read_text().count("\n") > 3 for path in tmp_path.glob("default/*/telemetry.jsonl")))
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (3, f"\n{STOPPING}\nStopped.\n")
    assert [row[:2] for row in rows(out)[1:]] == [["tiny lora events seed 0", "interrupted"]]


def test_stopping_the_command_while_it_checks(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    process = start(*SMALL, f"runs={tmp_path}", LIGHT_CHECK_S="300")
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


def test_stopping_the_command_while_it_starts_is_silent(start: Start, tmp_path: Path) -> None:
    # The command interrupts itself in the middle of its imports.
    script = (
        "import os, signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'hydra': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())"
    )
    process = start(*SMALL, f"runs={tmp_path}", script=script)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT


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
    for text in ("  method       ", *choices("method"), "experiment=demo", "seed=0,1,2", "exit status:"):
        assert text in done.stdout


def test_the_supervisor_never_imports_torch(bench: Bench, tmp_path: Path) -> None:
    script = (
        "import atexit\n"
        "atexit.register(lambda: print({'torch', 'transformers', 'trl'} & set(sys.modules), file=sys.stderr))"
    )
    done = bench(*SMALL, f"runs={tmp_path}", "method=baseline", script=script)
    assert (done.returncode, done.stderr) == (0, "set()\n")
