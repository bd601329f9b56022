"""Tuning: what a method's search tries, and what it found. The command line runs searches, the report shows them."""
