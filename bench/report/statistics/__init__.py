"""Intervals, tests and the arithmetic behind them."""
