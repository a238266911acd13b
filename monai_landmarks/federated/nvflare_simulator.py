"""NVFlare's simulator as a program that ends with the command that started it, however that ends.

A simulator that went on unseen would write where the next one writes. Its arguments are those of
`python -m nvflare.cli`; whoever starts it keeps the other end of its standard input open.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def end_with_the_command() -> None:
    """Wait until standard input ends, then kill this process's group: the server's too; the hospitals' follow it."""
    # Not through sys.stdin: a process forked meanwhile could not close that.
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    threading.Thread(target=end_with_the_command, daemon=True).start()
    runpy.run_module("nvflare.cli", run_name="__main__", alter_sys=True)
