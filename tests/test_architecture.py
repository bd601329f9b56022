"""ARCHITECTURE.md describes the tree as it is."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_every_module_is_in_the_tree_and_nothing_else() -> None:
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    tree = text[text.index("## The tree") : text.index("## Rules")]
    modules = [path for path in (REPOSITORY / "bench").rglob("*.py") if path.name != "__init__.py"]
    named = set(re.findall(r"[\w.]+", tree))
    # Methods, data sets, metrics and trackers are named as they are chosen, such as `lora`.
    chosen = {path.stem for path in modules if path.parent.name in ("method", "dataset", "metric", "tracker")}
    missing = [path for path in modules if path.name not in named and path.stem not in named & chosen]
    assert [str(path.relative_to(REPOSITORY)) for path in missing] == []
    names = {path.name for path in modules}
    assert [name for name in re.findall(r"\w+\.py\b", tree) if name not in names] == []
