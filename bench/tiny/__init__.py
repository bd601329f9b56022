"""`tiny`: the embedded default model, trained from scratch by benchmarks/make_tiny_model.py. README.md is its card."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder with the model and tokenizer files, as transformers loads them."""
