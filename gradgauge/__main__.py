"""Let `python -m gradgauge` be the command."""

from gradgauge.cli import main

main()
