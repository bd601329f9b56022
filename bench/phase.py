"""The phases that a cell's time is divided into, in their order. Every second of a cell belongs to exactly one."""

from typing import Literal

PhaseName = Literal["load", "prepare", "train", "validate", "generate", "score", "latency", "save"]

TINTS: dict[str, str] = {
    "load": "#d9d9d9",
    "prepare": "#f3e6c4",
    "train": "#cfe3f1",
    "validate": "#f0b48f",
    "generate": "#d3ebdd",
    "score": "#e6c8dc",
    "latency": "#f5eca6",
    "save": "#c4c4c4",
}
"""Background colour in figures: light enough to read a line on it. `validate`, which interrupts `train`, is darker than
it in grey, too."""
