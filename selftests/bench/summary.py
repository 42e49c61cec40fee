#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sums up what `table` prints: a line for each contender.

usage: summary.py FILE

The figures are of the median round of each contender, by instructions: instructions, microseconds of the processor and those
of each thread for a connection, connections a second while the processor had nothing else to do, frames and bytes on syncdev for a
connection, and by how many percent of the median the rounds differ.
"""

import sys

# What the steady machine takes for an instruction.
NS_PER_INSTRUCTION = 2


def read(path):
    """The rounds of each contender."""
    contenders = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, *words = line.split()
            if name.startswith("@"):
                continue
            values = dict(word.split("=") for word in words)
            contenders.setdefault(name, []).append({key: int(value) for key, value in values.items()})
    return contenders


def summary(name, rounds):
    """The line for one contender."""
    rounds = sorted(rounds, key=lambda one: one["busy_ns"])
    median = rounds[len(rounds) // 2]
    count = median["connections"]
    spread = 100 * (rounds[-1]["busy_ns"] - rounds[0]["busy_ns"]) / median["busy_ns"]
    line = (f"{name} instructions={median['busy_ns'] / count / NS_PER_INSTRUCTION:.0f} us={median['busy_ns'] / count / 1000:.1f}"
            f" spread={spread:.1f}% per_second={count * 1e9 / median['elapsed_ns']:.0f}"
            f" bytes={median['sync_bytes'] / count:.1f} frames={median['sync_frames'] / count:.3f}")
    for key, value in median.items():
        if "." in key:
            line += f" {key.split('/')[0].removesuffix('_ns')}={value / count / NS_PER_INSTRUCTION:.0f}"
    return line


def main():
    for name, rounds in read(sys.argv[1]).items():
        print(summary(name, rounds))


if __name__ == "__main__":
    main()
