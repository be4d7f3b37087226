"""Becomes another program, which the system kills once the launcher has ended.

Arguments: the process id of the launcher, then the program and its own. The launcher has threads,
and so cannot have this done for it between a fork and an exec.
"""

import os
import sys

from electra_cli.cluster.machine.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
