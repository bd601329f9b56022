"""`python -m bench.tune`: tries settings of each method, as many for one as for another. See `--help`."""

import sys
from collections.abc import Sequence
from functools import partial

from bench import output

HELP = """\
Choose learning rates and other settings with the same budget for every method. Each method, model and data set gets
random trials, which are scored on the tune split; tuned=STUDY then uses the best.

usage: {command} [GROUP=CHOICE[,CHOICE...] ...] [KEY=VALUE ...]

examples:
  {command} model=llama1b method=lora,qlora,toplayer,full tune.trials=12 study=t1
  {command} method=lora 'method.search.learning_rate=log(1e-5, 1e-3)' study=t2 hydra/launcher=gpus

The settings are those of the main command, without seed and scored_on. These are its own:
  method.search     the values that are tried: log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH) or a list
  tune.trials       trials of each method, 12 by default; more trials extend an earlier search
  tune.seed         another seed draws other trials
  tune.metric       the score that decides, such as token_f1; by default the first one whose direction is known
  tune.train_limit, tune.epochs, tune.train_seed       how trials are trained, if not like final cells
The same command again continues where it stopped. The trials are in runs/STUDY-tune/, the best ones in its winners/.
exit status: as that of the main command.
"""
OWN = ("trials", "seed", "train_seed", "metric", "train_limit", "epochs")


def main(arguments: Sequence[str], command: str = "python -m bench.tune") -> int:
    """Run what was typed. Returns the exit status."""
    if {"-h", "--help"} & set(arguments):
        print(HELP.format(command=command), end="")
        return 0
    from bench.__main__ import multirun

    return multirun("tune", OWN, arguments)


if __name__ == "__main__":
    sys.exit(output.run(partial(main, sys.argv[1:])))
