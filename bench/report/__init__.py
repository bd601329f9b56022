"""The report: reads what the cells of a study left behind, and writes its tables, figures and documents.

From the bottom up, and no folder imports one that comes later:

- `read`: records, answers, losses and telemetry from the run folders
- `statistics`: intervals, tests and other arithmetic over arrays
- `compare`: setups (cells that differ in their seed only), their differences, and which method to choose
- `render`: the model of a table, and how it is written in each format
- `tables` and `figures`: what is shown
- `page`: the documents: index.html, report.md and report.tex; `templates` has their text
- `write` writes everything; `stamp` knows whether a report is up to date

Nothing here imports torch or needs a GPU or the network, and the same runs give the same bytes.
"""
