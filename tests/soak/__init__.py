"""A long run with everything at once: load, hands, poison, kills and a machine that fails, with `fsck` throughout.

Run as `make soak` (15 minutes, or `SOAK_S` seconds); `make soak SOAK_S=60` is for CI. What it means stands in
`docs/reliability.md`.
"""
