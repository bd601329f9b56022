"""`python -m bench.data`: shows a data set as training will use it, before anything is trained and without torch."""
