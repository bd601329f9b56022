"""How sections, tables, prompts and commands are laid out on 80 to 120 columns."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NARROWEST, IN_A_PIPE, WIDEST = 80, 100, 120
"""Widths in characters. Below the first tables break, and lines longer than the last are hard to read."""
INDENT = 2


def console() -> Console:
    """Standard output: colours on a terminal, plain text in a pipe."""
    given = Console()
    width = given.width if given.is_terminal else IN_A_PIPE
    return Console(highlight=False, markup=False, emoji=False, width=max(NARROWEST, min(width, WIDEST)))


def printed(console: Console, content: RenderableType) -> None:
    """Print `content` without the blanks that fill lines up.

    Raises:
        BrokenPipeError: nobody reads the output any more.
    """
    with console.capture() as capture:
        console.print(content)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), file=console.file, flush=True)


def section(title: str, remark: str, *content: RenderableType) -> Group:
    """A title with a remark, and indented content; a blank line comes first."""
    heading = Text.assemble("\n", (title, "bold"), ("  " + remark if remark else "", "dim"))
    return Group(heading, *(Padding(part, (0, 0, 0, INDENT), expand=False) for part in content))


def table(*columns: str, rows: Sequence[Sequence[str | Text]]) -> Table:
    """A table without lines. Columns whose titles start with `>` are aligned to the right; the last one gives way."""
    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, title in enumerate(columns, start=1):
        right = title.startswith(">")
        grid.add_column(title.removeprefix(">"), justify="right" if right else "left", no_wrap=number < len(columns))
    for row in rows:
        grid.add_row(*row)
    return grid


def barred(text: Text, width: int) -> Text:
    """Every line of `text` behind a bar; behind a dotted one where it goes on because it is longer than `width`."""
    bars = Text()
    for line in text.split("\n", allow_blank=True):
        for number, part in enumerate(line.wrap(_PLAIN, width - INDENT - 2) or [Text()]):
            bars.append("┊ " if number else "│ ", style="dim").append_text(part).append("\n")
    bars.right_crop(1)
    return bars


_PLAIN = Console(width=WIDEST)
"""rich wraps text for a console, even if it is given the width."""


def folded(words: Sequence[str], width: int) -> str:
    r"""A shell command on lines of at most `width` characters where its words allow it; lines are joined by `\`."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > width - 2 - INDENT:
            lines[-1] += " \\"
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def numbered(sentences: Sequence[str], style: str) -> Table:
    """Sentences with their numbers, wrapped beside them."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", style=style)
    grid.add_column(overflow="fold")
    for number, sentence in enumerate(sentences, start=1):
        grid.add_row(f"{number}.", Text(sentence))
    return grid
