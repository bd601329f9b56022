"""The report stage: reads what the cells of a study left behind, and writes its tables, figures and page.

`studies` finds, `load` reads (telemetry through `trace`, answers through `predictions`) and `stamp` knows what has been
reported already; `setups` puts the seeds of one setup together, `tables`, `costs`, `figures` and `timeline` say what is
shown, `rows`, `words`, `render` and `page` say how, and `cores` draws on all of them. Nothing here imports torch, needs
a GPU or the network, and the same runs give the same bytes.
"""
