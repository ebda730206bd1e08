"""`python -m executord`."""

from executord.cli import main

main()
