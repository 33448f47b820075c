"""``python -m etude``."""

from etude.cli.entry import main

if __name__ == "__main__":
    main()
