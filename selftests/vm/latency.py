#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures how long it takes from the first packet of a flow until the backup's table has it.

    latency.py CLIENT SERVER BACKUP COUNT

CLIENT and BACKUP are network namespaces, SERVER is an IPv4 address. Sends COUNT first packets of UDP flows, asks the backup's
table for each by ctnetlink until it is there, and prints the median, the 90th percentile and the longest, in microseconds.
"""

import socket
import statistics
import sys
import time

from ctnetlink import Table, udp_flows
from namespace import enter

# Seconds after which a flow counts as lost, and pause between two flows, so that each leaves in a frame of its own.
LOST = 5
PAUSE = 0.02
FIRST_PORT = 30000


def measure(flow, table, name):
    """Seconds from the flow's first packet until the table has it."""
    start = time.monotonic()
    flow.send(b"x")
    while not table.has(name):
        if time.monotonic() - start > LOST:
            sys.exit(f"a flow is not on the backup after {LOST} s")
    return time.monotonic() - start


def main():
    client, server, backup, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    enter(client)
    flows = []
    for number in range(count):
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        flow.connect((server, FIRST_PORT + number))
        flows.append(flow)
    table = Table(backup)
    times = []
    for flow in flows:
        time.sleep(PAUSE)
        target, port = flow.getpeername()
        name = udp_flows(*flow.getsockname(), target)(port)
        assert not table.has(name)
        times.append(measure(flow, table, name) * 1e6)
    times.sort()
    print(int(statistics.median(times)), int(times[len(times) * 9 // 10]), int(times[-1]))


main()
