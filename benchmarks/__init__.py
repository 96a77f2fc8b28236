"""Measurements of the real thing: every program here prints a Markdown table, or JSON with `--json`.

Run one with `python -m benchmarks.NAME`, all of them with `python -m benchmarks`. None of them asserts
anything: what a figure should be stands in docs/benchmarks.md, next to what it was.
"""
