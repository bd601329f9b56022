import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.protocol import AnyEvent, Missing, Scored, Step, Warned
from bench.record import Record
from bench.record_sections import Error, LeftOut, SplitCounts
from bench.supervisor import progress
from bench.supervisor.progress import Place, Terminal

Printed = Callable[[], str]


def shown_on(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> Callable[[], str]:
    """Print to a string instead; gives a function that returns it."""
    text = io.StringIO()
    console = Terminal(
        file=text,
        width=120,
        force_terminal=terminal,
        no_color=True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        _environ={},
    )
    monkeypatch.setattr(progress, "console", console)
    monkeypatch.setattr(progress, "run_times_s", [])
    monkeypatch.setattr(progress, "warned", set())
    return text.getvalue


RAISE = "raise prompt.max_length"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    return shown_on(monkeypatch, terminal=False)


def with_error(record: Record, message: str, phase: str | None) -> Record:
    error = Error(type="ValueError", message=message, phase=phase)
    return record.model_copy(update={"status": "failed", "error": error})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.4, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (185.0, "3 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7800.0, "2 h 10 min"),
        (90_061.0, "25 h 01 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_main_score_is_the_first_asked_for(record: Record) -> None:
    assert progress.main_score(record) == "token_f1 0.625"
    withheld = record.model_copy(update={"scores": {"token_f1": None, "bleu": 0.5}})
    assert progress.main_score(withheld) == "token_f1 -"
    assert progress.main_score(record.model_copy(update={"scores": None})) == "-"
    assert progress.main_score(record.model_copy(update={"scores": {}})) == "-"


def test_peak_memory_is_the_devices_if_there_is_one(record: Record) -> None:
    memory = record.memory
    assert memory is not None

    def shown(**peaks: int | None) -> str:
        return progress.peak_memory(record.model_copy(update={"memory": memory.model_copy(update=peaks)}))

    assert shown(device_peak_bytes=12_345_678_900) == "12.35 GB device"
    assert shown(torch_reserved_peak_bytes=8_000_000_000) == "8.00 GB torch"
    assert shown(torch_reserved_peak_bytes=None) == "0.90 GB rss"
    assert shown(torch_reserved_peak_bytes=None, rss_peak_bytes=None) == "-"
    assert progress.peak_memory(record.model_copy(update={"memory": None})) == "-"


def test_a_cell_that_has_ended_is_one_line(printed: Printed, record: Record) -> None:
    progress.announce("tiny lora events seed 0", progress.ending(record))
    assert printed() == "tiny lora events seed 0  ok  token_f1 0.625  28 s\n"


def test_a_failure_is_shown_with_its_phase_and_first_line(record: Record) -> None:
    assert progress.ending(with_error(record, "no room\nat all", "train")) == "failed  in train: no room"
    assert progress.ending(with_error(record, "gone", None)) == "failed  gone"


def test_an_error_is_shown_as_it_is(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """Markup and emoji codes in it mean nothing, and a long one stays on its line. The real console is asked."""
    awkward = "[bold]no[/bold] key :warning: in [/x] " + 30 * "word "
    progress.announce("tiny", progress.ending(with_error(record, awkward, None)))
    assert capsys.readouterr().out == f"tiny  failed  {awkward}\n"


def test_the_table_at_the_end(printed: Printed, record: Record) -> None:
    without_memory = with_error(record, "gone", None).model_copy(update={"memory": None, "scores": None})
    progress.summarise([("tiny lora", record), ("tiny qlora [4]", without_memory), ("llama1b lora", "not run")])
    assert [line.rstrip() for line in printed().splitlines()] == [
        "",
        "cell            status   score           time  peak memory",
        "tiny lora       ok       token_f1 0.625  28 s  0.00 GB torch",
        "tiny qlora [4]  failed   -               28 s  -",
        "llama1b lora    not run  -               -     -",
    ]


def test_the_running_cell_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, cell_events: list[AnyEvent], record: Record
) -> None:
    shown = shown_on(monkeypatch, terminal=True)
    with progress.Line("tiny lora") as line:
        for event in cell_events:
            if event.kind in ("phase_started", "step", "answering"):
                line.handle(event)
                line._progress.refresh()
        line.close(record)
    text = shown()
    assert "tiny lora" in text
    assert "load" in text
    assert "train  step 1/2  loss 3.500  1,200 tokens/s  0 s left" in text
    assert "generate  8/8" in text
    assert text.rstrip().endswith("tiny lora  ok  token_f1 0.625  28 s")


def test_a_loss_that_is_not_finite_on_a_terminal(monkeypatch: pytest.MonkeyPatch, cell_events: list[AnyEvent]) -> None:
    shown = shown_on(monkeypatch, terminal=True)
    step = next(event for event in cell_events if isinstance(event, Step))
    with progress.Line("tiny lora") as line:
        line.handle(step.model_copy(update={"loss": None, "n_steps": 361}))
        line._progress.refresh()
    assert "train  step 1/361  loss not finite  1,200 tokens/s  3 min 00 s left" in shown()


def test_a_warning_is_a_line_of_its_own(printed: Printed) -> None:
    progress.Line("tiny lora").handle(Warned(message="checkpoint-4 was removed"))
    assert printed().strip() == "tiny lora  checkpoint-4 was removed"


def test_one_line_for_each_phase_where_there_is_no_terminal(
    printed: Printed, cell_events: list[AnyEvent], record: Record
) -> None:
    with progress.Line("tiny lora") as line:
        for event in cell_events:
            line.handle(event)
        line.close(record)
    assert printed().splitlines() == [
        "tiny lora  load",
        "tiny lora  prepare",
        "tiny lora  1 of 40 training examples dropped, 2 of 40 training examples truncated to fit: "
        "raise prompt.max_length",
        "tiny lora  train",
        "tiny lora  validate",
        "tiny lora  generate",
        "tiny lora  score",
        "tiny lora  no bertscore_f1: encoder_not_available",
        "tiny lora  latency",
        "tiny lora  save",
        "tiny lora  ok  token_f1 0.625  28 s",
    ]


def test_a_sweep_warns_of_its_data_once(printed: Printed, cell_events: list[AnyEvent]) -> None:
    prepared = next(event for event in cell_events if event.kind == "data_prepared")
    for _ in range(2):
        progress.Line("tiny lora").handle(prepared)
    assert printed().count("dropped") == 1


def test_a_sweep_says_once_which_score_is_missing_and_why(printed: Printed) -> None:
    scores = {"token_f1": 0.5, "bertscore_f1": None}
    why = "roberta-large is not on this machine, and the hub cannot be reached"
    for _ in range(2):
        line = progress.Line("tiny lora")
        line.handle(Scored(scores=scores, score_settings={"bertscore_f1": why}, score_info={}))
        line.handle(Missing(reasons={"scores.bertscore_f1": "encoder_not_available"}))
    assert printed() == f"tiny lora  no bertscore_f1: {why}\n"


def test_scores_of_random_weights_are_not_missed(printed: Printed) -> None:
    line = progress.Line("tiny lora")
    line.handle(Scored(scores={"bleu": None}, score_settings={"bleu": "version:2.6.0"}, score_info={}))
    line.handle(Missing(reasons={"scores.bleu": "random_weights"}))
    assert printed() == ""


def test_what_lets_longer_examples_in_depends_on_the_context(printed: Printed, cell_events: list[AnyEvent]) -> None:
    line = progress.Line("tiny lora", remedy=lambda length: f"choose a model that takes more than {length} tokens")
    for event in cell_events:
        if event.kind in ("model_loaded", "data_prepared"):
            line.handle(event)
    assert printed().endswith("truncated to fit: choose a model that takes more than 256 tokens\n")


def test_a_warning_names_every_loss_of_data_and_what_to_do(cell_events: list[AnyEvent]) -> None:
    data = next(event.data for event in cell_events if event.kind == "data_prepared")

    def text(train: tuple[int, int, int], test: tuple[int, int, int], too_long: int | None) -> str:
        changes = {
            name: SplitCounts(n_read=read, n_dropped=dropped, n_truncated=truncated)
            for name, (read, dropped, truncated) in (("train", train), ("test", test))
        }
        return progress.data_warning(data.model_copy(update={**changes, "n_references_too_long": too_long}), RAISE)

    assert text((946, 471, 0), (100, 0, 12), 0) == (
        "471 of 946 training examples dropped, 12 of 100 test examples truncated to fit: raise prompt.max_length"
    )
    assert text((946, 0, 0), (8, 0, 0), 3) == (
        "3 of 8 references longer than an answer may be: raise generation.max_new_tokens"
    )
    assert text((9_000, 1_000, 0), (8, 0, 0), 1) == (
        "1,000 of 9,000 training examples dropped to fit: raise prompt.max_length; "
        "1 of 8 references longer than an answer may be: raise generation.max_new_tokens"
    )
    assert text((946, 0, 0), (100, 0, 0), 0) == text((946, 0, 0), (100, 0, 0), None) == ""


@pytest.mark.parametrize(
    ("n_too_long", "advice"),
    [
        (20, "raise generation.max_new_tokens to 140, which covers 99 % of them"),
        (1, "raise generation.max_new_tokens to 900, which covers all of them"),
    ],
)
def test_a_warning_of_long_references_says_what_covers_them(
    cell_events: list[AnyEvent], n_too_long: int, advice: str
) -> None:
    data = next(event.data for event in cell_events if event.kind == "data_prepared")
    lengths = {"p50": 12, "p99": 140, "largest": 900}
    changes = {"n_test": 200, "n_references_too_long": n_too_long, "reference_tokens": lengths}
    whole = {"train": SplitCounts(n_read=9, n_dropped=0, n_truncated=0)} | {
        "test": SplitCounts(n_read=200, n_dropped=0, n_truncated=0)
    }
    assert progress.data_warning(data.model_copy(update=changes | whole), RAISE) == (
        f"{n_too_long} of 200 references longer than an answer may be: {advice}"
    )


def test_a_warning_says_which_step_left_out_how_many_examples(cell_events: list[AnyEvent]) -> None:
    data = next(event.data for event in cell_events if event.kind == "data_prepared")
    whole = SplitCounts(n_read=8, n_dropped=0, n_truncated=0)
    left_out = (
        LeftOut(step="answer too long", split="train", n_dropped=1_152),
        LeftOut(step="near duplicate", split="train", n_dropped=1),
        LeftOut(step="duplicate", split="test", n_dropped=7),
    )
    assert progress.data_warning(
        data.model_copy(update={"train": whole, "test": whole, "left_out": left_out}), RAISE
    ) == ("left out of training: 1,152 (answer too long), 1 (near duplicate); left out of test: 7 (duplicate)")


def test_a_warning_says_how_many_demonstrations_fit(cell_events: list[AnyEvent]) -> None:
    data = next(event.data for event in cell_events if event.kind == "data_prepared")
    whole = SplitCounts(n_read=8, n_dropped=0, n_truncated=0)
    changes = {"train": whole, "test": whole, "n_test": 8, "n_fewer_shots": 3, "n_shots_mean": 3.25}
    assert progress.data_warning(data.model_copy(update=changes), "choose a model with a longer context") == (
        "3 of 8 prompts with fewer examples than method.shots (3.2 on average) to fit: "
        "choose a model with a longer context"
    )


@pytest.mark.parametrize(
    ("place", "heading"),
    [
        (None, "tiny lora events seed 0"),
        (Place(3, 12, "lora seed 0", True), "3 of 12  lora seed 0"),
        (Place(3, 12, "", False), "3 of 12  tiny lora events seed 0"),
    ],
)
def test_heading(place: Place | None, heading: str) -> None:
    assert progress.heading("tiny lora events seed 0", place) == heading


@pytest.mark.parametrize(
    ("place", "run_times_s", "elapsed_s", "text"),
    [
        (Place(3, 12, "", True), [60.0, 120.0], math.inf, "sweep: about 13 min 30 s left"),
        (Place(3, 12, "", True), [60.0, 120.0], 30.0, "sweep: about 14 min 30 s left"),
        (Place(3, 12, "", True), [60.0, 120.0], 500.0, "sweep: about 13 min 30 s left"),
        (Place(12, 12, "", True), [60.0], math.inf, ""),
        (Place(1, 12, "", True), [], 30.0, ""),
        (Place(3, 12, "", False), [60.0], math.inf, ""),
        (None, [60.0], math.inf, ""),
    ],
)
def test_time_left_is_given_only_if_something_is_known(
    monkeypatch: pytest.MonkeyPatch, place: Place | None, run_times_s: list[float], elapsed_s: float, text: str
) -> None:
    monkeypatch.setattr(progress, "run_times_s", run_times_s)
    assert progress.sweep_left(place, elapsed_s) == text


def test_a_cell_of_a_sweep_says_what_is_left(printed: Printed, monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    monkeypatch.setattr(progress.time, "monotonic", iter([100.0, 130.0]).__next__)
    progress.Line("1 of 3  lora seed 0", Place(1, 3, "lora seed 0", True)).close(record)
    assert printed() == "1 of 3  lora seed 0  ok  token_f1 0.625  28 s\nsweep: about 1 min 00 s left\n"


def test_only_cells_that_ended_ok_say_how_long_others_take(
    printed: Printed, monkeypatch: pytest.MonkeyPatch, record: Record
) -> None:
    line = progress.Line("1 of 3  lora", Place(1, 3, "lora", True))
    line.close(with_error(record, "no room", "load"))
    monkeypatch.setattr(progress, "run_times_s", [30.0])
    line.close(record.model_copy(update={"status": "interrupted"}))
    assert "sweep" not in printed()


def test_where_trained_weights_are(printed: Printed, tmp_path: Path) -> None:
    for folder in ("a/one", "a/two", "b/one"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("a/one", "a/two"):
        (tmp_path / folder / "adapter").mkdir()
    progress.point_to_weights([tmp_path / "a/one", tmp_path / "a/two", tmp_path / "b/one"])
    assert printed() == f"\nTrained weights: {tmp_path}/a/*/adapter\n"


def test_output_that_cannot_be_written_is_given_up_with_one_sentence() -> None:
    script = (
        "from bench.supervisor.progress import announce, console\n"
        "with console.status('checking'): pass\n"
        "for number in range(3): announce(str(number), 'x')"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        0,
        "Standard output is closed (No space left on device); the cells go on, and their records say how they end.\n",
    )
