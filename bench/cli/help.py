"""`--help`: groups, choices and settings, read from conf/ without loading Hydra."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from bench.configuration import CONF, choices

TEXT = """\
tunebench compares ways to fine-tune a language model. Each cell (one model, method, data set and seed) trains and is
scored in a process of its own and leaves one record. A grid is many cells; the report compares them.

usage: {command} [-m] [GROUP=CHOICE ...] [KEY=VALUE ...]

examples:
  # four methods on the embedded model and data, then their report in reports/demo/; `tunebench demo` does both
  {command} experiment=demo
  {report} --study demo

  # look at your data first: columns, lengths, prompts, warnings
  {data} dataset=records dataset.train=faq.csv

  # your data: one cell
  {command} dataset=records dataset.name=faq dataset.train=faq.csv \\
      dataset.instruction_column=question dataset.input_column=null dataset.output_column=answer

  # your model: one cell
  {command} model=local model.path=~/models/qwen

  # both in a grid of twelve cells: with -m, commas sweep
  {command} -m model=local model.path=~/models/qwen \\
      dataset=records dataset.name=faq dataset.train=faq.csv \\
      dataset.instruction_column=question dataset.input_column=null dataset.output_column=answer \\
      method=baseline,lora,qlora,toplayer seed=0,1,2

your model and your data:
  model.path                  a folder with config.json, tokenizer and safetensors weights; for model=hub, a name
  model.name, dataset.name    names in folders and reports; by default, a model has the last part of its path
  dataset.train               a .csv, .tsv, .json, .jsonl (each also with .gz) or .parquet file, for dataset=records
  dataset.tune, dataset.test  other such files, to choose by and to report on; without one, a tenth of the documents
                              is held out of training for it
  dataset.instruction_column  the column with the question
  dataset.input_column        the column with the text that the question is about; null if there is none
  dataset.output_column       the column with the answer
  dataset.cluster_column      the column that names an example's document; null to derive it from the text
  dataset.id_column           the column with the examples' ids; null for hashes
  Answers are cut at generation.max_new_tokens, and what is longer than prompt.max_length is shortened or left out.

groups and their choices:
{groups}

settings outside the groups:
{settings}

`{tune}` tries settings of each method, as many for one as for another, and tuned=STUDY uses the best
of them; --allow-mixed lets methods be compared that had unequal budgets.
`{decide}` adds seeds until it is known which method is the best.
hydra/launcher=gpus runs as many cells at the same time as this machine has GPUs for; hydra/launcher=slurm runs every
cell as a job of Slurm. Both go with -m.
A setting of a group is written GROUP.SETTING=VALUE, such as method.rank=16 or train.epochs=1.
`{command} --cfg job method=qlora` prints every setting of a choice with its value; --hydra-help lists Hydra's
own options. A cell whose record is complete is skipped; force=true runs it again.
exit status: 0 if every cell ended ok; 3 if one did not, or the command was stopped; 2 if nothing was started because
of a mistake in the settings, the data or a model.
"""


def text(command: str = "python -m bench", folders: Sequence[Path] = (CONF,)) -> str:
    """The help text for the current content of conf/ and of the user's own `folders`, as `command` shows it."""
    groups = sorted({file.parent for file in CONF.glob("*/*.yaml")})
    return TEXT.format(
        command=command,
        report=f"{command} report" if command == "tunebench" else f"{command}.report",
        data=f"{command} data" if command == "tunebench" else f"{command}.data",
        decide=f"{command} decide" if command == "tunebench" else f"{command}.decide",
        tune=f"{command} tune" if command == "tunebench" else f"{command}.tune",
        groups="\n".join(_choices(group.name, folders) for group in groups),
        settings="\n".join(_own_settings()),
    )


def _choices(group: str, folders: Sequence[Path]) -> str:
    return fill(f"  {group:12} {', '.join(choices(group, folders))}", width=120, subsequent_indent=15 * " ")


def _own_settings() -> list[str]:
    """The lines of config.yaml without the defaults list and Hydra's own settings."""
    blocks = (CONF / "config.yaml").read_text(encoding="utf-8").split("\n\n")
    own = [block for block in blocks if not block.startswith(("defaults:", "hydra:"))]
    return [f"  {line}" for block in own for line in block.splitlines()]
