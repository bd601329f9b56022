"""What the user gave and cannot be used."""


class InputError(ValueError):
    """One sentence for the user: what was given, what is accepted, what to do next. Shown without a traceback."""
