"""The cell's own process: load, prepare, train, generate, score, latency, save. The only place where torch lives."""
