"""Reorders and checks what the user typed before Hydra reads it: Hydra accepts flags only in front of overrides."""

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, get_origin

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, ElementType, Override, Transformer
from hydra.errors import OverrideParseException

from bench.cell import Cell
from bench.configuration import CONF, choices, search_path
from bench.errors import InputError
from bench.job import Job

SEVERAL = {
    name for name, field in (Cell.model_fields | Job.model_fields).items() if get_origin(field.annotation) is dict
}
"""The groups that more than one choice can be made of: metrics and trackers."""
MANY = "{}: several values need -m, which runs a cell for each; write a list in brackets, as in [0,1]"
ONE = "{}: must be one value for all cells; write a list in brackets, as in [3,5]"
NO_FOLDER = "hydra.searchpath: there is no folder {}; name one as in hydra.searchpath=[file://./conf]"
LAUNCHER = "{}: needs -m; without it, Hydra starts the cell here, whatever the launcher"
MIXED = {"--allow-mixed": "allow_mixed=true"}
"""A flag, as in reports, and the setting it stands for."""
_RANGE = re.compile(r"""(?<!["'\w])(?:log|uniform|int)\([^()"']*\)""")
_ONE_TEXT = re.compile(r"""[^,\[\]{}"'\\]+""")
"""A value that can only be one text: no list, mapping, sweep or quotation."""
_PART = re.compile(r"""("[^"]*"|'[^']*')|[^\s,:=\[\]{}()"'\\][^,:=\[\]{}()"'\\]*""")
"""A quotation, or one of the texts in a list, mapping or sweep."""
_UNREADABLE = re.compile(r"[^\w\s./+$%*@?|-]", re.ASCII)
"""A character that Hydra reads in quotation marks only, such as in Größe.csv or a&b.csv."""
_HELP = "see `tunebench --help` and `--hydra-help`"


def in_order(arguments: Sequence[str], several: str = MANY) -> list[str]:
    """`arguments` as Hydra reads them: flags first, then `--`, then overrides.

    Args:
        arguments: what was typed.
        several: the sentence about a setting with several values and without `-m`.

    Raises:
        InputError: a flag does not exist, was used wrongly or is refused, several values were given without `-m`, or a
            group was given a value that is not a name.
        OverrideParseException: an override cannot be parsed.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    arguments = [MIXED.get(argument, argument) for argument in arguments]
    try:
        known, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}; {_HELP}") from error
    if unknown:
        raise InputError(f"{unknown[0]}: there is no such flag; {_HELP}")
    if known.experimental_rerun is not None:
        raise InputError(
            "--experimental-rerun: refused, because it unpickles its file, which can run any code; "
            "type the settings instead"
        )
    # The shell leaves the ~ in KEY=~/PATH as it is, and Hydra's grammar has no ~ in values.
    overrides = [re.sub(r"(?<=[=,])~(?=/)", lambda _: str(Path.home()), override) for override in known.overrides]
    overrides = [_quoted(override) for override in overrides]
    parsed = OverridesParser.create().parse_overrides(overrides)
    faults = [fault for override in parsed for fault in _not_names(override)]
    swept = [override for override in parsed if override.is_sweep_override()]
    if known.multirun:
        sweeper = next((each.value() for each in parsed if each.key_or_group == "hydra/sweeper"), "hydra.sweeper")
        for_all = [str(override.input_line) for override in swept if override.key_or_group.startswith("hydra.")]
        faults += [ONE.format(typed.replace("hydra.sweeper", str(sweeper), 1)) for typed in for_all]
    else:
        faults += [several.format(override.input_line) for override in swept]
    faults += [NO_FOLDER.format(folder) for folder in search_path(overrides) if not folder.is_dir()]
    if not (known.multirun or known.cfg or known.info):
        faults += [LAUNCHER.format(typed.input_line) for typed in parsed if typed.key_or_group == "hydra/launcher"]
    if faults:
        raise InputError("\n".join(faults))
    return [*(argument for argument in arguments if argument not in (*known.overrides, "--")), "--", *overrides]


def _quoted(override: str) -> str:
    """`override` with everything in quotation marks that Hydra would not read as it is meant.

    Those are ranges of a search space, which it would call as functions, names of files that exist, and texts with
    characters that it does not know.
    """
    key, equals, value = override.partition("=")
    if ".search" in key:
        return key + equals + _RANGE.sub(r'"\g<0>"', value)
    if _UNREADABLE.search(value) and os.path.exists(value):
        return key + equals + _in_marks(value)
    spellings = [override, *(key + equals + spelling for spelling in _spellings(value))]
    return next((spelling for spelling in spellings if _can_be_read(spelling)), override)


def _spellings(value: str) -> Iterator[str]:
    if _ONE_TEXT.fullmatch(value):
        yield _in_marks(value)
    yield _PART.sub(lambda part: part[0] if part[1] or not _UNREADABLE.search(part[0]) else _in_marks(part[0]), value)


def _in_marks(text: str) -> str:
    return '"' + re.sub(r'(\\*)"', r'\1\1\\"', text) + '"'


def _can_be_read(override: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([override])
    except OverrideParseException:
        return False
    return True


def _not_names(override: Override) -> Iterator[str]:
    group = override.key_or_group
    if override.is_delete() or not group or not (CONF / group).is_dir():
        return
    given = override.value()
    for value in given.list if isinstance(given, ChoiceSweep) else [given]:
        names = value if isinstance(value, list) and group in SEVERAL else [value]
        # A mapping or a glob is not a name either, but Hydra accepts them.
        if any(name is None or isinstance(name, int | float | list) for name in names):
            valid = ", ".join(choices(group))
            yield f"{group}: {Transformer.str(cast(ElementType, value))} is not a valid choice; choose one of {valid}"
