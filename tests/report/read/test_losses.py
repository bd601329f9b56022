import json

import numpy as np
import pytest

from bench.protocol import Answering, Step
from bench.report.read.losses import POINTS, read_losses
from bench.report.read.study import read_studies

STARTED = json.dumps({"kind": "started", "at_s": 1.0, "wall_clock": "2026-07-01T12:00:00+00:00"})


def step_line(step, loss, n_steps=10):
    return Step(
        at_s=2.0 + step,
        step=step,
        n_steps=n_steps,
        epoch=step / n_steps,
        loss=loss,
        learning_rate=1e-4,
        grad_norm=None,
        seconds=0.5,
        tokens=64,
    ).model_dump_json()


@pytest.fixture
def events(tmp_path):
    """Writes an events.jsonl of the given lines, each with its line end."""

    def write(*lines):
        path = tmp_path / "events.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


def test_a_short_training_has_a_point_for_every_step(events):
    answering = Answering(answered=1, n_examples=2).model_dump_json()
    found = read_losses(events(STARTED, step_line(1, 3.0), step_line(2, 2.5), answering, step_line(3, 1e-7)))
    assert (found.steps.tolist(), found.losses.tolist(), found.stretch) == ([1.0, 2.0, 3.0], [3.0, 2.5, 1e-7], 1)


def test_a_long_training_is_thinned_to_means_over_stretches(events):
    found = read_losses(events(*(step_line(step, float(step)) for step in range(1, 1001))))
    assert found.stretch == 5
    assert found.steps.tolist() == found.losses.tolist() == [3.0 + 5 * point for point in range(POINTS)]


def test_the_last_stretch_may_be_shorter(events):
    found = read_losses(events(*(step_line(step, 2.0) for step in range(1, 402))))
    assert (found.stretch, len(found.steps), set(found.losses)) == (3, 134, {2.0})


def test_a_loss_that_is_not_finite_is_a_gap(events):
    found = read_losses(events(step_line(1, 3.0), step_line(2, None), step_line(3, 2.0)))
    assert np.isnan(found.losses).tolist() == [False, True, False]


def test_of_steps_taken_again_the_later_ones_count(events):
    first = [step_line(step, 9.0) for step in (1, 2, 3, 4)]
    found = read_losses(events(STARTED, *first, STARTED, step_line(3, 5.0)))
    assert (found.steps.tolist(), found.losses.tolist()) == ([1.0, 2.0, 3.0], [9.0, 9.0, 5.0])


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_a_torn_line_is_passed_over(events, length):
    torn = step_line(2, 1.25)
    path = events(step_line(1, 3.0))
    path.write_bytes(path.read_bytes() + torn[: torn.index("1.25") + 3 - length].encode())
    assert read_losses(path).losses.tolist() == [3.0]


def test_neither_the_order_of_fields_nor_spaces_matter(events):
    assert read_losses(events('{"loss": 2.5, "step": 1, "kind": "step"}')).losses.tolist() == [2.5]


@pytest.mark.parametrize("line", ["", "{}", "\x00\ufffd", "[" * 9999, step_line(1, 1.0).replace("1.0,", "1e,")])
def test_foreign_lines_tell_nothing(events, line):
    assert read_losses(events(line, STARTED)) is None


def test_a_study_has_the_losses_of_the_cells_that_told_any(write_cell, runs):
    folder = write_cell("lora")
    (folder / "events.jsonl").write_text(f"{STARTED}\n{step_line(1, 3.0)}\n")
    write_cell("qlora")
    (write_cell("toplayer") / "events.jsonl").mkdir()
    (study,) = read_studies(runs)
    assert {name: found.losses.tolist() for name, found in study.losses.items()} == {f"demo/{folder.name}": [3.0]}
    assert study.problems == ()
