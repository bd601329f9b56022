"""What the fork server imports: all that a cell needs, out of the sight of every cell's garbage collector."""

import gc

import bench.child.run  # noqa: F401

# A cell's first collection would look at every object of every module, and so copy the pages that it shares
gc.collect()
gc.freeze()
