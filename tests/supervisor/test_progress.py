import io
from collections.abc import Callable

import pytest
from rich.console import Console

from bench.protocol import AnyEvent, PhaseStarted, Step, Warned
from bench.record import Error, Record
from bench.supervisor import progress

SEEN = Callable[[], str]


def shown_on(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> Callable[[], str]:
    """Sends what is printed to a text instead; gives that text."""
    text = io.StringIO()
    console = Console(
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
    return text.getvalue


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


def test_a_cell_that_has_ended_is_one_line(printed: SEEN, record: Record) -> None:
    progress.announce("tiny lora events seed 0", record)
    assert printed() == "tiny lora events seed 0  ok  token_f1 0.625  28 s\n"


def test_a_failure_is_told_with_its_phase_and_first_line(printed: SEEN, record: Record) -> None:
    progress.announce("tiny", with_error(record, "no room\nat all", "train"))
    progress.announce("tiny", with_error(record, "gone", None))
    assert printed() == "tiny  failed  in train: no room\ntiny  failed  gone\n"


def test_a_word_of_the_supervisors_own(printed: SEEN, record: Record) -> None:
    progress.announce("tiny", record, "skipped")
    progress.announce("tiny", None, "another sweep has it")
    assert printed() == "tiny  ok  skipped\ntiny  another sweep has it\n"


def test_an_error_is_shown_as_it_is(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """Markup and emoji codes in it mean nothing, and a long one stays on its line. The real console is asked."""
    awkward = "[bold]no[/bold] key :warning: in [/x] " + 30 * "word "
    progress.announce("tiny", with_error(record, awkward, None))
    assert capsys.readouterr().out == f"tiny  failed  {awkward}\n"


def test_the_table_at_the_end(printed: SEEN, record: Record) -> None:
    without_memory = with_error(record, "gone", None).model_copy(update={"memory": None, "scores": None})
    progress.summarise([("tiny lora", record), ("tiny qlora [4]", without_memory), ("llama1b lora", None)])
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
    line = progress.Line("tiny lora")
    steps = [event for event in cell_events if isinstance(event, Step | PhaseStarted)]
    for event in (steps[0], *(event for event in steps if isinstance(event, Step))):
        line.handle(event)
        line._progress.refresh()
    line.handle(next(event for event in cell_events if event.kind == "answering"))
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
    line = progress.Line("tiny lora")
    step = next(event for event in cell_events if isinstance(event, Step))
    line.handle(step.model_copy(update={"loss": None, "n_steps": 361}))
    line._progress.refresh()
    line._progress.stop()
    assert "train  step 1/361  loss not finite  1,200 tokens/s  3 min 00 s left" in shown()


def test_a_warning_is_a_line_of_its_own(printed: SEEN) -> None:
    progress.Line("tiny lora").handle(Warned(message="checkpoint-4 was removed"))
    assert printed().strip() == "tiny lora  checkpoint-4 was removed"


def test_elsewhere_only_the_end_is_shown(printed: SEEN, cell_events: list[AnyEvent], record: Record) -> None:
    line = progress.Line("tiny lora")
    for event in cell_events:
        line.handle(event)
    assert printed().strip() == ""
    line.close(record)
    assert printed().strip() == "tiny lora  ok  token_f1 0.625  28 s"
