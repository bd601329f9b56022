"""Text that others wrote, escaped for Markdown and LaTeX; HTML is escaped by Jinja2 itself."""

import html
import re

from bench.report.numbers import DASH


def escape_markdown(text: str) -> str:
    """Returns `text` for GitHub's Markdown: no character of it is markup, a link, mathematics or the end of a cell."""
    escaped = re.sub(r"([\\`*\[\]|~$#])", r"\\\1", html.escape(text, quote=False))
    # GitHub turns addresses and user names into links without any markup
    escaped = escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")
    # Inside a word an underscore is no emphasis, and names are easier to read without backslashes
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped).replace("\n", " ")


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\n": " ",
    DASH: "---",
    "…": r"\ldots{}",
}
r"""More than the special characters: after `\\`, LaTeX reads a bracket or a star as an argument."""


def escape_latex(text: str) -> str:
    """Returns `text` for any LaTeX engine and font; other characters appear as code points, such as [U+4E2D]."""
    escaped = []
    for character, following in zip(text, f"{text[1:]} ", strict=False):
        if character == following and character in "-',":
            escaped.append(f"{character}{{}}")  # LaTeX draws two of these in a row as one other character
        elif character.isascii() or character in LATEX:
            escaped.append(LATEX.get(character, character))
        else:
            escaped.append(f"{{[}}U+{ord(character):04X}{{]}}")
    return "".join(escaped)
