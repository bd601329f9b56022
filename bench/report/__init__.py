"""The report stage: reads the records of a study, and nothing else, and writes its tables, figures and page.

`load` reads, `setups` puts the seeds of one setup together, `tables` and `figures` say what is shown, `render` and
`page` say how. Nothing here imports torch, needs a GPU or the network, and the same runs give the same bytes.
"""
