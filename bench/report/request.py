"""What is asked of a report, beside which study."""

from dataclasses import dataclass

from bench.report.read.studies import TRACES

DEFAULT_REFERENCE = "baseline"
"""Need not be there: a study of trained methods alone has none."""


@dataclass(frozen=True)
class Request:
    """Frozen, as the same request of the same runs gives the same report."""

    reference: str = DEFAULT_REFERENCE
    """Method, or label of a setup, that the others are compared with."""
    family: tuple[str, ...] = ("token_f1", "exact_match")
    """Names of the scores that are compared with the reference's, and whose tests are adjusted together."""
    seed: int = 0
    """Of all resampling."""
    allow_mixed: bool = False
    """Whether cells that were asked or scored differently may stand in one table."""
    against: str | None = None
    """`study`: the published figures stand beside the measured ones."""
    traces: int = TRACES
    """Of how many cells power and memory are shown over time."""
    fits_gb: tuple[float, ...] = ()
    """Sizes of memory, in 10^9 bytes, for each of which the best method that fits is named."""
