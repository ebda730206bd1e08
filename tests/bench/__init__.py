"""Measures of speed, each beside the raw limit of the same machine in the same run [PERF-1].

Run as `python -m tests.bench`; what it means and what came out stands in `docs/performance.md`. One file per row.
"""
