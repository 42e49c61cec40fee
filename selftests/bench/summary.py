#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sums up what `table` prints: a line for each contender.

usage: summary.py FILE

The figures are means of the rounds of each contender, since when a thread is woken differs by chance: instructions, microseconds
of the processor and instructions of each thread for a connection, connections a second while the processor had nothing else to
do, frames and bytes on syncdev for a connection; and by how many percent of the mean the dearest and the cheapest round differ.
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


def mean(rounds):
    """A round as they are in the mean; `spread` is by how many percent the cheapest and the dearest differ."""
    one = {key: sum(each[key] for each in rounds) / len(rounds) for key in rounds[0] if "." not in key}
    for key in {key for each in rounds for key in each if "." in key}:
        # Threads have the number of their network namespace in their names.
        name = key.split("/")[0].removesuffix("_ns")
        one[name] = one.get(name, 0) + sum(each.get(key, 0) for each in rounds) / len(rounds)
    costs = [each["busy_ns"] for each in rounds]
    one["spread"] = 100 * (max(costs) - min(costs)) / one["busy_ns"]
    return one


def summary(name, rounds):
    """The line for one contender."""
    one = mean(rounds)
    count = one["connections"]
    line = (f"{name} instructions={one['busy_ns'] / count / NS_PER_INSTRUCTION:.0f} us={one['busy_ns'] / count / 1000:.1f}"
            f" spread={one['spread']:.1f}% per_second={count * 1e9 / one['elapsed_ns']:.0f}"
            f" bytes={one['sync_bytes'] / count:.1f} frames={one['sync_frames'] / count:.3f}")
    for key in sorted(key for key in one if "." in key):
        line += f" {key}={one[key] / count / NS_PER_INSTRUCTION:.0f}"
    return line


def main():
    for name, rounds in read(sys.argv[1]).items():
        print(summary(name, rounds))


if __name__ == "__main__":
    main()
