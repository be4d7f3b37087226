"""A worker that does what it is told: fake_worker.py pretrain --cluster KIND ACTS, JSON.

ACTS has for each worker a list of words and values: say TEXT, on stderr, tell TEXT, on stdout,
show VARIABLE, there too, meet FIFO (with one other worker), hold FIFO (until it ends), exit CODE,
kill SIGNAL (itself), hear (a signal), wait (for one, then 130 or 143).
"""

import json
import os
import signal
import sys

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def write(number, text):
    os.write(number, f"{text}\n".encode())


signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
for act, value in json.loads(sys.argv[-1])[index]:
    match act:
        case "say":
            write(2, value)
        case "tell":
            write(1, value)
        case "show":
            write(1, os.environ.get(value))
        case "meet":
            os.close(os.open(value, os.O_WRONLY if index else os.O_RDONLY))
        case "hold":
            os.open(value, os.O_WRONLY)
        case "exit":
            sys.exit(value)
        case "kill":
            os.kill(os.getpid(), value)
        case "hear":
            signal.sigwait(SIGNALS)
        case "wait":
            sys.exit(130 if signal.sigwait(SIGNALS) == signal.SIGINT else 143)
