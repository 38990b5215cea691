"""`python -m collector.app` is `clew`."""

from collector.app.cli import main

main(prog_name="clew")
