"""What a user can ask of a report."""

from dataclasses import dataclass
from typing import Literal

from bench.report.read.studies import TRACES

DEFAULT_REFERENCE = "baseline"
"""A study without it has no reference."""
Pairs = Literal["reference", "all"]


@dataclass(frozen=True)
class Request:
    """The options of one report. The same options and runs give the same report."""

    reference: str = DEFAULT_REFERENCE
    """The method, or the label of the setup, that the others are compared with."""
    family: tuple[str, ...] = ()
    """Names of the scores to test together; if none, the deciding score and the next one that could decide."""
    pairs: Pairs = "reference"
    """Which setups are compared: each with the reference, or all with each other."""
    allow_mixed: bool = False
    """Whether cells that were asked or scored differently may be in one table."""
    against: str | None = None
    """`study`: the published study's columns, and its figures beside the measured ones."""
    traces: int = TRACES
    """How many cells are shown over time."""
    fits_gb: tuple[float, ...] = ()
    """Sizes of memory in 10^9 bytes, to name the best method for that fits; if none, common cards."""
