"""Entry point of the console script and of `python -m electra_cli`."""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Runs the command line; it is imported here, since workers import this module too."""
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:
        # There is nothing to tidy up yet: Ctrl-C ends without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_streams()
    if sys.argv[1:2] == ["prepare-data"] and "--help" not in sys.argv:
        # It imports what workers need while this process imports what the command needs.
        from electra_cli.corpus.preparation.engines.server import start_server

        with suppress(OSError):  # it is told when a worker is needed
            start_server()
    from electra_cli.cli.app import main as run

    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)
    run()


def _open_standard_streams() -> None:
    """Puts /dev/null where a standard stream is closed: else the next file would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    # Python puts the working directory first, and a types.py there before its own. The package may
    # lie there too, in a checkout that is not installed.
    if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):  # noqa: PTH120
        del sys.path[0]
    main()
