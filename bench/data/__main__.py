"""`python -m bench.data`: what is in a data set, and what training would make of it. See `--help`."""

import os
import sys
from collections.abc import Sequence
from functools import partial

from bench import output

HELP = """\
Show a data set as training will use it: columns, splits, lengths in tokens, what is left out, and the prompts as the
model reads them, with warnings and the command for a first run. Trains nothing and needs no GPU.

usage: {command} [GROUP=CHOICE ...] [KEY=VALUE ...]

examples:
  {command} dataset=records dataset.train=faq.csv
  {command} dataset=records dataset.name=faq dataset.train=faq.csv \\
      dataset.instruction_column=question dataset.input_column=null dataset.output_column=answer
  {command} dataset=squad_v2 dataset.train=train.json dataset.test=dev.json \\
      model=local model.path=~/models/qwen

The settings are those of the main command. These matter here:
  dataset, dataset.*          which data, and how it is read; without columns, those of the file are listed
  model, model.path           whose tokenizer and chat template; its weights are not loaded
  prompt, prompt.max_length   the form of the prompts, and how long prompt and answer may be together
  generation.max_new_tokens   how long answers may be
exit status: 0 if training could start with this data; 2 if it would be refused.
"""


def main(arguments: Sequence[str], command: str = "python -m bench.data") -> int:
    """Print what `arguments` ask for. Returns the exit status."""
    if {"-h", "--help"} & set(arguments):
        print(HELP.format(command=command), end="")
        return 0
    _without_torch()
    from bench.data.command import run

    return run(arguments)


def _without_torch() -> None:
    """Libraries import torch if it is there, which takes seconds. They find that it is not: nothing here needs it."""
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    # They would also warn that there is no torch, and about texts longer than the model takes, which are counted here.
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"


if __name__ == "__main__":
    sys.exit(output.run(partial(main, sys.argv[1:])))
