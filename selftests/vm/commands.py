# SPDX-License-Identifier: GPL-2.0
"""The end of flows.bash in a program: it reads a command a line and answers each with a line."""

import sys


def obey(commands):
    """Calls the functions by their names, until there is no more input: `ok`, maybe with a value, or `error` and why."""
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            answer = commands[command](*arguments)
            print("ok" if answer is None else f"ok {answer}", flush=True)
        except (OSError, EOFError, KeyError, ValueError, AttributeError) as error:
            print(f"error {line.strip()[:100]}: {error!r}", flush=True)
