import json
import math
from typing import get_args

import pytest
from pydantic import ValidationError

from bench import protocol
from bench.protocol import AnyEvent, Evaluated, Event, Missing, Scored, SectionsReady, Step, parse
from bench.record_sections import Evaluation


def test_every_event_comes_back_as_it_was_sent(cell_events: list[AnyEvent]) -> None:
    assert [parse(event.model_dump_json()) for event in cell_events] == cell_events
    assert [parse(event.model_dump_json().encode()) for event in cell_events] == cell_events


def test_every_kind_of_event_is_known_by_its_own_name() -> None:
    kinds = get_args(get_args(AnyEvent)[0])
    defined = {kind for kind in vars(protocol).values() if isinstance(kind, type) and issubclass(kind, Event)}
    defined -= {Event, SectionsReady}
    assert set(kinds) == defined
    assert len({kind.model_fields["kind"].default for kind in kinds}) == len(kinds)


def test_an_event_is_one_line(cell_events: list[AnyEvent]) -> None:
    awkward = Missing(reasons={"scores.x": 'line\nbreak "quoted" \u2028 军'})
    assert all("\n" not in event.model_dump_json() for event in [*cell_events, awkward])
    assert parse(awkward.model_dump_json()) == awkward


def test_a_loss_that_is_not_finite_is_null() -> None:
    step = Step(
        at_s=1.0, step=1, n_steps=2, epoch=0.5, loss=None, learning_rate=0.1, grad_norm=None, seconds=0.5, tokens=7
    )
    assert json.loads(step.model_dump_json())["loss"] is None
    assert parse(step.model_dump_json()) == step
    evaluated = Evaluated(at_s=1.0, evaluation=Evaluation(step=1, epoch=1.0, loss=None))
    assert parse(evaluated.model_dump_json()) == evaluated


def test_an_infinite_score_arrives() -> None:
    scored = parse(Scored(scores={"perplexity": math.inf}, score_settings={}, score_info={}).model_dump_json())
    assert isinstance(scored, Scored)
    assert scored.scores == {"perplexity": math.inf}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("{}", "union_tag_not_found"),
        ('{"kind": "nope"}', "union_tag_invalid"),
        ('{"kind": "saved"}', "missing"),
        ('{"kind": "saved", "bytes": 1, "more": 2}', "extra_forbidden"),
        ('{"kind": "saved", "by', "json_invalid"),
        (b"\xff", "json_invalid"),
    ],
)
def test_anything_else_is_refused(line: str | bytes, kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(line)
    assert [fault["type"] for fault in caught.value.errors()] == [kind]
