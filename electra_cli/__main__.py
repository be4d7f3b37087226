"""Entry point of the console script and of `python -m electra_cli`."""

from electra_cli.cli.app import main

if __name__ == "__main__":
    main()
