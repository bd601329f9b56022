"""The report as documents: one HTML page, and the same in Markdown and LaTeX."""
