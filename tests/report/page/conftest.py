from collections.abc import Callable

import pytest
from markupsafe import Markup

from bench.report.page.contents import Contents


@pytest.fixture
def contents() -> Callable[..., Contents]:
    """Makes the contents of a report: nothing but what is given."""

    def make(**given: object) -> Contents:
        nothing = dict.fromkeys(("picks", "tables", "charts", "traces", "problems", "comparisons"), ())
        texts = {"study": "demo", "summary": "1 cell: 1 ok.", "untraced": ""}
        return Contents(**{"predictions": Markup("<p>No answers.</p>")} | nothing | texts | given)

    return make
