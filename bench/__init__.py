"""tunebench: a reproducible grid of fine-tuning experiments, from one command to the tables of the paper."""

__version__ = "0.1.0"
