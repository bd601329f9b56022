"""Tasks of EleutherAI's lm-evaluation-harness, on the trained model."""

import copy
import difflib
import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt, PositiveInt

from bench.errors import InputError, first_line
from bench.example import Example
from bench.hub import hub_answers
from bench.metric import Answer, Language, Metric, Scores, together, unscored
from bench.metric.lm_eval_tasks import contents
from bench.record_sections import ScoreInfo
from bench.settings import Strings

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_RESAMPLES = 1000
"""For the standard errors of scores that are not means."""


class LmEval(Metric):
    """Scores of the harness's tasks, such as `arc_easy_acc`, on the harness's own scales.

    A task's scores are called `<task>_<metric>`, and `<task>_<metric>_<filter>` where a filter extracts the answer. A
    group that has scores gives those; any other group or tag gives the scores of its tasks. Questions, prompts and
    decoding are the task's own, and so are its examples: the report has no intervals for them, and the record has the
    harness's standard errors in `score_errors`. A task can contain code, which runs with your rights.

    None, with a sentence in `settings`, for a task that fails or cannot be downloaded (`task_failed`), or that needs
    more GPU memory than there is beside the model (`out_of_memory`).
    """

    reads_answers = False

    tasks: Strings
    """Names of tasks, groups or tags."""
    include_path: str | None
    """A folder with tasks of your own (YAML), which take precedence; None for the harness's alone."""
    num_fewshot: NonNegativeInt | None
    """Examples in front of each question; None for the task's own number. A task that is fixed at 0 keeps that."""
    limit: PositiveInt | None
    """Use at most this many examples of each task, the first ones; None for all."""
    batch_size: PositiveInt
    """Requests that are answered together."""
    chat_template: bool
    """Render questions with the tokenizer's chat template."""

    def identity(self) -> dict[str, Any]:
        """The settings, with your own tasks by the content of their files and of the local data that they name."""
        return super().identity() | {"include_path": self.include_path and contents(self.include_path)}

    def check(self, examples: Sequence[Example]) -> None:
        if not self.tasks:
            raise InputError("metric.lm_eval.tasks: must name tasks, as in [arc_easy,hellaswag], got none")
        known = self._manager().task_index
        for task in self.tasks:
            if task not in known:
                close = difflib.get_close_matches(task, known, n=3)
                hint = f"did you mean {' or '.join(close)}? " if close else ""
                raise InputError(
                    f"metric.lm_eval.tasks: there is no task {task!r}; {hint}`lm-eval ls tasks` lists the harness's, "
                    "metric.lm_eval.include_path=FOLDER adds your own"
                )

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        return unscored(self.name, "no_model", "lm_eval asks the model itself, not its answers")

    def score_model(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        answers: Sequence[Answer],
        language: Language,
    ) -> Scores:
        from lm_eval.models.huggingface import HFLM

        manager = self._manager()
        with _undisturbed(model), _at_most_what_is_here():
            # The harness changes the tokenizer's padding.
            lm = HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=self.batch_size)
            return together((self.name, self._scores(task, lm, manager)) for task in self.tasks)

    def _scores(self, task: str, lm: Any, manager: "TaskManager") -> Scores:
        from lm_eval import simple_evaluate
        from torch import OutOfMemoryError

        try:
            results = simple_evaluate(
                lm,
                tasks=[task],
                task_manager=manager,
                num_fewshot=self.num_fewshot,
                limit=self.limit,
                apply_chat_template=self.chat_template,
                bootstrap_iters=_RESAMPLES,
            )
            return _read(task, results, self.chat_template)
        except OutOfMemoryError:
            sentence = f"{task} does not fit beside the model; lower metric.lm_eval.batch_size"
            return unscored(task, "out_of_memory", sentence)
        # One task must not cost the others, whatever its code does.
        except (Exception, SystemExit) as error:
            hub = "" if hub_answers() else "; the hub does not answer, so that nothing could be downloaded"
            return unscored(task, "task_failed", f"{task} cannot be run ({first_line(error)}){hub}")

    def _manager(self) -> "TaskManager":
        """What knows the tasks. The harness's own take seconds to list, so they are left out if none is named."""
        try:
            from lm_eval.tasks import TaskManager
        except ImportError as error:
            raise InputError(
                f"metric=lm_eval needs the package lm-eval ({error}); install it with pip install 'tunebench[lm-eval]'"
            ) from error
        own = TaskManager(include_path=self.include_path, include_defaults=False)
        return own if set(self.tasks) <= set(own.all_subtasks) else TaskManager(include_path=self.include_path)


def _read(asked: str, results: dict[str, Any], chat_template: bool) -> Scores:
    """The scores of one task, group or tag in what the harness returns."""
    found = results["results"]
    named = {asked: found[asked]} if any(map(_is_score, found.get(asked, {}).items())) else found
    values: dict[str, float | None] = {}
    errors, info, settings = {}, {}, {}
    for task, own in named.items():
        for key, value in filter(_is_score, own.items()):
            metric, _, filtered = key.partition(",")
            suffix = "" if filtered in ("", "none") else f"_{filtered}"
            name = f"{task}_{metric}{suffix}"
            higher = results["higher_is_better"].get(task, {}).get(metric)
            values[name] = float(value)
            info[name] = ScoreInfo(
                title=f"{task} {metric}{suffix.replace('_', ' ')}",
                lowest=None,
                highest=None,
                better=None if higher is None else "higher" if higher else "lower",
                pooling=None,
            )
            if isinstance(error := own.get(f"{metric}_stderr,{filtered}"), float):
                errors[name] = error
            settings[name] = _settings(task, results, chat_template)
    return Scores(values=values, errors=errors, info=info, settings=settings)


def _is_score(result: tuple[str, Any]) -> bool:
    key, value = result
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and "," in key and not key.partition(",")[0].endswith("_stderr")


def _settings(task: str, results: dict[str, Any], chat_template: bool) -> str:
    """What fixes a score's meaning: versions, examples, and what exactly was asked."""
    tasks = _leaves(task, results)
    asked = hashlib.sha256()
    for sample in (sample for leaf in tasks for sample in results["samples"][leaf]):
        asked.update(f"{sample['prompt_hash']}{sample['target_hash']}".encode())
    shots = sorted({results["n-shot"].get(leaf, 0) for leaf in tasks})
    n = sum(results["n-samples"][leaf]["effective"] for leaf in tasks)
    return (
        f"lm-eval:{version('lm-eval')}|version:{results['versions'].get(task)}|shots:{','.join(map(str, shots))}|n:{n}"
        f"|chat:{'yes' if chat_template else 'no'}|asked:sha256:{asked.hexdigest()[:16]}"
    )


def _leaves(task: str, results: dict[str, Any]) -> list[str]:
    """The tasks of a group, or the task itself."""
    children = results.get("group_subtasks", {}).get(task) or []
    return [leaf for child in children for leaf in _leaves(child, results)] or [task]


@contextmanager
def _undisturbed(model: "PreTrainedModel") -> Iterator[None]:
    """Restore what the harness sets: the random state of all libraries, and the model's mode."""
    import numpy as np
    import torch

    training, processes = model.training, os.environ.get("DISABLE_MULTIPROC")
    python, numpy = random.getstate(), np.random.get_state()
    # A pool of processes would not survive in a process that has initialised CUDA.
    os.environ["DISABLE_MULTIPROC"] = "1"
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        model.train(training)
        if processes is None:
            del os.environ["DISABLE_MULTIPROC"]


@contextmanager
def _at_most_what_is_here() -> Iterator[None]:
    """Read data sets from the cache alone if the hub does not answer: libraries repeat failing requests for minutes."""
    import datasets.config
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if not hub_answers():
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
