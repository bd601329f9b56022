"""What the user typed, looked at before Hydra is: it takes flags only in front, and has no words for `method=null`."""

import argparse
from collections.abc import Iterator, Sequence
from typing import cast

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, ElementType, Override, Transformer

from bench.configuration import CONF, choices
from bench.errors import InputError
from bench.job import ONE_EACH


def in_order(arguments: Sequence[str]) -> list[str]:
    """`arguments` as Hydra takes them: flags first, overrides behind a `--`.

    Raises:
        InputError: there is no such flag, it was used wrongly, or a group was given what can be no choice of it.
        OverrideParseException: an override cannot be read at all.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        known, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}; see `python -m bench --help` and `--hydra-help`") from error
    if unknown:
        raise InputError(f"{unknown[0]}: there is no such flag; see `python -m bench --help` and `--hydra-help`")
    overrides: list[str] = known.overrides
    parsed = OverridesParser.create().parse_overrides(overrides)
    if faults := [fault for override in parsed for fault in _faults(override)]:
        raise InputError("\n".join(faults))
    return [*(argument for argument in arguments if argument not in (*overrides, "--")), "--", *overrides]


def _faults(override: Override) -> Iterator[str]:
    group = override.key_or_group
    if override.is_delete() or not (CONF / group).is_dir():
        return
    given = override.value()
    for value in given.list if isinstance(given, ChoiceSweep) else [given]:
        named = value if isinstance(value, list) and group not in ONE_EACH else [value]
        # A mapping or a glob is not a name either, but Hydra knows what to do with it.
        if any(name is None or isinstance(name, int | float | list) for name in named):
            known = ", ".join(choices(group))
            yield f"{group}: {Transformer.str(cast(ElementType, value))} is no choice; choose one of {known}"
