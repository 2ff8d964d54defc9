"""One section of the report a file; `gradgauge.report.discovery` finds them.

A section module has `TITLE`, `QUESTION` (under which it stands), `ORDER` (sections of a question stand in ascending
order), `SHOWS` (the pairs of suite and metric that need no generic table because this section shows them;
`discovery.EVERY` stands for all metrics of a suite) and `render(run)`, which returns blocks, or None where the run
holds nothing for it. A section never writes HTML.
"""
