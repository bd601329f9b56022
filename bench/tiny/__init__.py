"""`tiny`: the embedded default model, trained from scratch by `python -m bench.tiny.make`. README.md is its card."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder with the model and tokenizer files, as transformers loads them."""
