"""`python -m headgate` is the command line."""

from .orchestrator.cli import main

main()
