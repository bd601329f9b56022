"""The report stage: reads records and telemetry of a study, and nothing else, and writes its tables, figures and page.

`load` reads (telemetry through `trace`), `setups` puts the seeds of one setup together, `tables`, `costs`, `figures`
and `timeline` say what is shown, `rows`, `words` and `render` say how; `page` writes it all, `index` makes the one page
with what is in `assets`, and `browser` its predictions. Nothing here imports torch, needs a GPU or the network, and the
same runs give the same bytes.
"""
