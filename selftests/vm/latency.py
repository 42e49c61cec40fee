#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures how long it takes from the first packet of a flow until the backup's table has it.

    latency.py CLIENT SERVER BACKUP COUNT

CLIENT and BACKUP are network namespaces, SERVER is an IPv4 address. Sends COUNT first packets of UDP flows, asks the backup's
table for each by ctnetlink until it is there, and prints the median, the 90th percentile and the longest, in microseconds.
"""

import os
import socket
import statistics
import struct
import sys
import time

# Seconds after which a flow counts as lost, and pause between two flows, so that each leaves in a frame of its own.
LOST = 5
PAUSE = 0.02
FIRST_PORT = 30000

# linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h
NLMSG_ERROR = 2
NLM_F_REQUEST = 1
CT_GET = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
NESTED = 1 << 15


def enter(node):
    """Has the next sockets made in the namespace of `node`."""
    handle = os.open(f"/run/netns/{node}", os.O_RDONLY)
    os.setns(handle, os.CLONE_NEWNET)
    os.close(handle)


def attribute(kind, value):
    """A netlink attribute."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def request(source, source_port, target, port):
    """The message that asks for a UDP flow."""
    addresses = attribute(1, socket.inet_aton(source)) + attribute(2, socket.inet_aton(target))
    ports = attribute(1, b"\x11") + attribute(2, struct.pack("!H", source_port)) + attribute(3, struct.pack("!H", port))
    original = attribute(NESTED | 1, attribute(NESTED | 1, addresses) + attribute(NESTED | 2, ports))
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + original
    return struct.pack("=LHHLL", 16 + len(body), CT_GET, NLM_F_REQUEST, 1, 0) + body


def is_there(netlink, message):
    """Whether the table has the flow: the answer is the entry, or an error."""
    netlink.send(message)
    kind = struct.unpack_from("=LH", netlink.recv(65536))[1]
    return kind != NLMSG_ERROR


def measure(flow, netlink, message):
    """Seconds from the flow's first packet until the table has it."""
    start = time.monotonic()
    flow.send(b"x")
    while not is_there(netlink, message):
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
    enter(backup)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
    times = []
    for flow in flows:
        time.sleep(PAUSE)
        message = request(*flow.getsockname(), *flow.getpeername())
        assert not is_there(netlink, message)
        times.append(measure(flow, netlink, message) * 1e6)
    times.sort()
    print(int(statistics.median(times)), int(times[len(times) * 9 // 10]), int(times[-1]))


main()
