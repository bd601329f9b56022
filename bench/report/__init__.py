"""The report stage: reads what the cells of a study left behind, and writes its tables, figures and page.

- Reading: `studies` finds, `load` reads (telemetry through `trace`, answers through `predictions`, losses through
  `losses`), and `stamp` knows what has been reported already.
- Arithmetic: `statistics` (intervals and tests), `formulas` (scores from sums), `pareto`.
- What is compared: `setups` puts the seeds of one setup together, `resampling` its scores on other documents, `effects`
  sets it against a reference, `choice` says which method, then; `request` is what was asked for.
- What is shown: `tables`, `costs` and `published` in rows, `figures` with a module for each kind of figure.
- How it is shown: `rows`, `words`, `render`; `page` writes it all, `index` and `browser`
  make the one page with what is in `assets`, and `cores` draws on all of them.

Nothing here imports torch, needs a GPU or the network, and the same runs give the same bytes.
"""
