"""What is wrong with something in the runs folder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something in the runs folder that is in no table."""

    path: str
    """Relative to the runs folder."""
    sentence: str
    """What is wrong with it, and what to do: the rest of a sentence that begins with the path."""
    broken: bool = False
    """Whether a record is lost to the report because of it."""
