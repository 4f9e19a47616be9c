"""`python -m progress`."""

from .cli import main

main(prog_name="progress")
