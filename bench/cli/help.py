"""`python -m bench --help`: groups, choices and settings, read off conf/ without loading Hydra."""

from bench.configuration import CONF, choices

TEXT = """\
tunebench: a reproducible grid of fine-tuning experiments.
Every cell (model x method x data set x seed) trains and is scored in its own process and leaves one record.

usage: python -m bench [-m] [GROUP=CHOICE ...] [KEY=VALUE ...]

examples:
  python -m bench                                                      one cell: tiny, lora, events
  python -m bench -m method=baseline,lora,qlora,toplayer seed=0,1,2    a grid: with -m, commas sweep
  python -m bench experiment=demo                                      a whole grid from one file
  then `python -m bench.report` (or `make report`) builds the tables and charts

groups and their choices:
{groups}

settings, beside those of the groups:
{settings}

A setting of a group is written GROUP.SETTING=VALUE, such as method.rank=16 or train.epochs=1.
`python -m bench --cfg job method=qlora` prints every setting of a choice with its value; --hydra-help tells of
Hydra's own options. A cell whose record is complete is skipped; force=true runs it again.
exit status: 0 if every cell ended ok, 3 if one did not, 2 if the configuration was refused and nothing was started.
"""


def text() -> str:
    """The help text, true to what lies in conf/."""
    groups = sorted(folder for folder in CONF.iterdir() if folder.is_dir())
    lines = [f"  {group.name:12} {', '.join(choices(group.name))}" for group in groups]
    return TEXT.format(groups="\n".join(lines), settings="\n".join(_own_settings()))


def _own_settings() -> list[str]:
    """The top level of config.yaml as it stands, without the defaults list and without Hydra's own node."""
    blocks = (CONF / "config.yaml").read_text().split("\n\n")
    own = [block for block in blocks if not block.startswith(("defaults:", "hydra:"))]
    return [f"  {line}" for block in own for line in block.splitlines()]
