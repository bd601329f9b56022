"""What the fork server imports before any cell starts: everything that a cell needs."""

import gc

import bench.child.run  # noqa: F401

# Otherwise the first garbage collection of every cell visits all objects of all modules, and copies their pages.
gc.collect()
gc.freeze()
