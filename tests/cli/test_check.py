"""The supervisor's side of the check: what it sends, and that a crash stops nothing."""

from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

import pytest

from bench.cell import Cell
from bench.cli import check
from bench.supervisor import server

MakeCell = Callable[..., Cell]


class Process:
    """A process that ended before anybody looked."""

    def kill(self) -> None: ...

    def join(self) -> None: ...


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], list[Any]]:
    """Makes the server fork a process that sends some messages and ends; gives what it was started with."""

    def prepare(messages: list[Any]) -> list[Any]:
        started: list[Any] = []

        def fork(target: str, arguments: tuple[Any, ...], name: str) -> server.Child:
            started.append((target, arguments))
            receiver, sender = Pipe(duplex=False)
            for message in messages:
                sender.send(message)
            sender.close()
            return server.Child(Process(), 1, receiver)  # type: ignore[arg-type]

        monkeypatch.setattr(server, "fork", fork)
        return started

    return prepare


def test_every_data_set_with_its_metrics_every_model_with_its_method_and_lengths_and_both_are_sent_once(
    make_cell: MakeCell, forked: Callable[[list[Any]], list[Any]]
) -> None:
    started = forked(["a", "b", "a", None])
    cells = [make_cell({"method": method, "seed": seed}) for method in ("baseline", "lora") for seed in (0, 1)]
    cells.append(make_cell({"method": "lora", "latency.output_tokens": 4}))
    cells.append(make_cell({"method": "lora", "dataset.train_limit": 7}))
    assert check.faults(cells, cells[4:5]) == ["a", "b"]
    assert started == [
        (
            "bench.child.check:main",
            (
                [cells[0], cells[5]],
                [cells[0], cells[2], cells[4]],
                [cells[0], cells[2], cells[4], cells[5]],
                [cells[2].train],
                [cells[4].model],
            ),
        )
    ]


def test_nothing_is_started_where_no_cell_will_run(forked: Callable[[list[Any]], list[Any]]) -> None:
    started = forked([None])
    assert check.faults([]) == []
    assert started == []


def test_a_check_that_crashes_is_reported_and_stops_nothing(
    make_cell: MakeCell,
    forked: Callable[[list[Any]], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(server, "last_line", lambda: "KeyError: 'x'")
    forked(["a"])
    assert check.faults([make_cell()]) == ["a"]
    assert capsys.readouterr().err == (
        "The check of data and models crashed, and the cells run without it: KeyError: 'x'\n"
    )


def test_a_server_that_does_not_start_is_reported_and_stops_nothing(
    make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fork(*_: object) -> server.Child:
        raise server.ServerFailed("the server that forks cells did not start: no torch")

    monkeypatch.setattr(server, "fork", fork)
    assert check.faults([make_cell()]) == []
    assert capsys.readouterr().err == (
        "The check of data and models crashed, and the cells run without it: "
        "the server that forks cells did not start: no torch\n"
    )


def test_what_a_long_check_prints_is_shown_until_it_answers(
    make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, sender = Pipe(duplex=False)
    monkeypatch.setattr(server, "fork", lambda *_: server.Child(Process(), 1, receiver))  # type: ignore[arg-type]
    monkeypatch.setattr(server, "last_line", lambda: "translated 16 of 20 sentences ([x])")
    monkeypatch.setattr(check, "SHOWN_AFTER_S", 0.01)
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        sender.send(None)

    assert [*check._received([make_cell()], [], show)] == []
    assert shown == [r"checking data and models: translated 16 of 20 sentences (\[x])"]
