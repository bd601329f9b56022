"""The parent side of a cell: starts its process, measures beside it and writes its record. Never imports torch."""
