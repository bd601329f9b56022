"""Errors in what the user gave, and how errors of libraries are quoted in a sentence."""


class InputError(ValueError):
    """One sentence for the user: what was given, what is accepted, what to do next. Shown without a traceback."""


def first_line(error: BaseException) -> str:
    """The type and the first line of an error's message, to quote in a sentence."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def on_one_line(error: BaseException) -> str:
    """The whole message of an error without its line breaks, to quote in a sentence."""
    return " ".join(str(error).split())
