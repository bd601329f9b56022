"""Jinja2 environments for HTML, Markdown and LaTeX, compiled once.

Every value is escaped for its format unless it is marked as markup already: `Markup`, `Markdown` or `Latex`. In
Markdown and LaTeX, filters and macros return plain text: what a template builds is escaped too, rather than trusted.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report.render.escape import escape_latex, escape_markdown
from bench.report.wording import counted, printable

TEMPLATES = Path(__file__).parents[1] / "templates"
PARAGRAPH = 2_000
"""Characters of a paragraph that are shown; `printable` alone shows fewer, for names and short messages."""


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
    environment.filters |= {"counted": counted, "printable": printable, "paragraph": _paragraph}
    return environment


def _text_environment(marked: type[str], escape: Callable[[str], str], **options: Any) -> Environment:
    """An environment that escapes every value except those of the class `marked`."""

    def file_name(name: str) -> str:
        # Escaped inside a link or an \input, it would name another file
        if not re.fullmatch(r"[A-Za-z0-9_./-]+", name):
            raise ValueError(f"{name!r} is no name that the report gives to a file")
        return marked(name)

    environment = _environment(
        finalize=lambda value: value if isinstance(value, marked) else escape(str(value)), **options
    )
    environment.filters["file_name"] = file_name
    return environment


def _paragraph(text: str) -> str:
    return printable(text, PARAGRAPH)


HTML = _environment(autoescape=True)
MARKDOWN = _text_environment(Markdown, escape_markdown)
LATEX = _text_environment(
    Latex,
    escape_latex,
    # Braces and percent signs are LaTeX's own
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
    comment_start_string="<#",
    comment_end_string="#>",
)
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
