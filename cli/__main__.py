"""``python -m cli`` is ``chiminey``."""

from cli.main import main

main()
