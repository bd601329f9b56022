"""How long every cell of a study took from being started to its first training step, and where that time went.

    python benchmarks/first_step.py runs/demo

Read off events.jsonl: no cell is run. The first cell also pays for the fork server's imports.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Print a Markdown table, one row per cell that trained, in the order in which they were started."""
    rows = sorted(filter(None, (measured(path) for path in Path(sys.argv[1]).glob("*/events.jsonl"))))
    print("| cell | to its process | load | prepare | to the first step | in all, without load |")
    print("|---|---|---|---|---|---|")
    for _, name, *seconds in rows:
        print(f"| {name} | {' | '.join(f'{value:.2f} s' for value in seconds)} |")


def measured(path: Path) -> tuple[float, str, float, float, float, float, float] | None:
    """Start time, name and seconds of the last run of a cell, or None if it did not train."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    start = max(at for at, event in enumerate(events) if event["kind"] == "started")
    events = events[start:]
    start_s = events[0]["at_s"]
    phases = {event["phase"]: event["at_s"] for event in reversed(events) if event["kind"] == "phase_started"}
    step_s = next((event["at_s"] for event in events if event["kind"] == "step"), None)
    if step_s is None:
        return None
    load_s = phases["prepare"] - phases["load"]
    return (
        start_s,
        path.parent.name,
        phases["load"] - start_s,
        load_s,
        phases["train"] - phases["prepare"],
        step_s - phases["train"],
        step_s - start_s - load_s,
    )


if __name__ == "__main__":
    main()
