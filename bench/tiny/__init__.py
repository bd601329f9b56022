"""`tiny`: the embedded default model, which benchmarks/make_tiny_model.py trained from scratch. README.md is its card."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder with the model and tokenizer files, as transformers loads them."""
