"""`python -m bench.decide`: adds seeds until it is known which method is the best. See `--help`."""

import re
import sys
from collections.abc import Sequence
from functools import partial

from bench import output

HELP = """\
Add seeds until it is known which method is the best. All cells run with 3 seeds; then the scores are looked at. A
method that is worse than another gets no more seeds, nor does one that more seeds could not tell from the others. The
rest goes on to 5 seeds and another look, and to 10.

usage: {command} [GROUP=CHOICE[,CHOICE...] ...] [KEY=VALUE ...]

examples:
  {command} model=llama1b method=baseline,lora,qlora,toplayer study=which
  {command} model=llama1b method=lora,toplayer study=which max_seeds=5 hydra/launcher=gpus

The settings are those of the main command, without seed. These are its own:
  max_seeds       the most seeds of a method, 10 by default
  decide.looks    the numbers of seeds after which the scores are looked at, [3,5,10] by default
  decide.metric   the score that decides, such as token_f1; by default the first one whose direction is known
The same command again continues where it stopped. Its report says what each look decided, and its tests take all
looks into account: a difference that is not there is found in at most 5 % of studies of one model on one data set.
exit status: as that of the main command.
"""
OWN = ("max_seeds", "looks", "metric")


def main(arguments: Sequence[str], command: str = "python -m bench.decide") -> int:
    """Run what was typed. Returns the exit status."""
    if {"-h", "--help"} & set(arguments):
        print(HELP.format(command=command), end="")
        return 0
    from bench.__main__ import multirun

    return multirun("decide", OWN, [re.sub("^(?=max_seeds=)", "decide.", argument) for argument in arguments])


if __name__ == "__main__":
    sys.exit(output.run(partial(main, sys.argv[1:])))
