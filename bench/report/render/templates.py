"""Jinja2 environments for HTML, Markdown and LaTeX, compiled once.

In each, a value is escaped for its format unless it is marked as markup already: `Markup`, `Markdown` or `Latex`.
Filters and macros of the last two give plain text, so what is built in a template is escaped rather than trusted.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report.render.escape import escape_latex, escape_markdown
from bench.report.words import counted, printable

TEMPLATES = Path(__file__).parents[1] / "templates"
PARAGRAPH = 2_000
"""Characters of a sentence or paragraph that are shown; of a name or a short message, `printable` shows fewer."""


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""


class Latex(str):
    """Text that is LaTeX already and is not escaped again."""


SIUNITX_SETUP = Latex(r"\sisetup{detect-weight = true, mode = text, group-minimum-digits = 9}")
"""Lets S columns set bold numbers in bold, and no gaps inside numbers."""


def _environment(**options: Any) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= {
        "counted": counted,
        "printable": printable,
        "paragraph": partial(printable, longest=PARAGRAPH),
    }
    return environment


def _escaping(marked: type[str], escape: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: value if isinstance(value, marked) else escape(str(value))


def _file_name(marked: type[str]) -> Callable[[str], str]:
    r"""A filter that leaves a file's name unescaped, because inside a link or an `\input` it would be another name."""

    def file_name(name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_./-]+", name):
            raise ValueError(f"{name!r} is no name that the report gives to a file")
        return marked(name)

    return file_name


HTML = _environment(autoescape=True)
MARKDOWN = _environment(finalize=_escaping(Markdown, escape_markdown))
LATEX = _environment(
    finalize=_escaping(Latex, escape_latex),
    # Braces and percent signs are LaTeX's own
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
    comment_start_string="<#",
    comment_end_string="#>",
)
MARKDOWN.filters["file_name"] = _file_name(Markdown)
LATEX.filters["file_name"] = _file_name(Latex)
LATEX.globals["siunitx_setup"] = SIUNITX_SETUP


def html(template: str, **values: Any) -> Markup:
    """The HTML template filled in."""
    return Markup(HTML.get_template(template).render(values))


def markdown(template: str, **values: Any) -> Markdown:
    """The Markdown template filled in."""
    return Markdown(MARKDOWN.get_template(template).render(values))


def latex(template: str, **values: Any) -> Latex:
    """The LaTeX template filled in."""
    return Latex(LATEX.get_template(template).render(values))
