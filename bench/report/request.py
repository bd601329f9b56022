"""What is asked of a report, beside which study."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """Frozen, as the same request of the same runs gives the same report."""

    reference: str = "baseline"
    """Method, or label of a setup, that the others are compared with."""
    family: tuple[str, ...] = ("token_f1", "exact_match")
    """Names of the scores that are compared with the reference's, and whose tests are adjusted together."""
    seed: int = 0
    """Of all resampling."""
    allow_mixed: bool = False
    """Whether cells that were asked or scored differently may stand in one table."""
    against: str | None = None
    """`study`: the published figures stand beside the measured ones."""
    fits_gb: tuple[float, ...] = ()
    """Sizes of memory, in 10^9 bytes, for each of which the best method that fits is named."""
