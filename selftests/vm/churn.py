#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Opens and ends connections as fast as it can, and measures how the nodes keep up.

    churn.py load ADDRESS SECONDS PORT PRIMARY BACKUP...
        for SECONDS, and until there were 1200, opens UDP flows from PORT of the client to ports of ADDRESS, and ends three of
        four a little later. Says how many, and how long after the last change every backup had all that the primary has told.
    churn.py settled SECONDS PRIMARY BACKUP...
        the same without any load: waits until it is so, SECONDS at most.
    churn.py resync PRIMARY BACKUP
        has the backup ask for a resync, and says how many records came in what time.
    churn.py live ADDRESS PORT PRIMARY BACKUP
        the same, and meanwhile opens up to 20 flows a second: says how long they take to be on the backup.
    churn.py idle SECONDS NODE...
        says how many frames each node sends in SECONDS.

Nodes are network namespaces. What it says is one line of NAME=VALUE, times in milliseconds.
"""

import os
import socket
import sys
import time

from ctnetlink import Table, udp_flows
from namespace import enter

# A load that opens fewer flows says little: a slow kernel is given more time for it.
LEAST = 1200
# Flows that are open before the first of them is ended.
WINDOW = 200
# One of so many flows is not ended.
STAYS = 4
# A state that lasts for so long, in seconds, has settled; and how long to wait for it.
LASTS = 0.1
SETTLE = 60
CLIENT = '10.1.0.10'

# Least time between two flows of `live`, and between two looks for one, in seconds: looking costs the processor that
# both nodes share.
LIVE_PERIOD = 0.05
LIVE_LOOK = 0.005


class Node:
    """What a node says of itself."""

    def __init__(self, name):
        self.name, self.handle = name, None

    def read(self):
        """The lines of /proc/net/ct_sync; none while the module is not there."""
        try:
            if self.handle is None:
                enter(self.name)
                self.handle = os.open('/proc/thread-self/net/ct_sync', os.O_RDONLY)
            text = os.pread(self.handle, 65536, 0).decode()
            return dict(line.split(' ', 1) for line in text.splitlines())
        except OSError:
            if self.handle is not None:
                os.close(self.handle)
            self.handle = None
            return {}

    def number(self, name):
        return int(self.read().get(name, 0))

    def write(self, knob, value):
        enter(self.name)
        with open(f'/proc/sys/net/netfilter/ct_sync/{knob}', 'w') as file:
            file.write(value)


def state(primary, backups):
    """The last number of the stream, if all backups have everything up to it."""
    seq = primary.read().get('seq')
    for backup in backups:
        lines = backup.read()
        if lines.get('synced') != '1' or lines.get('seq') != seq:
            return None
    return seq


def settle(since, limit, primary, backups):
    """Waits until all backups have everything for good; says when that began and the number of the last frame."""
    first, last = None, None
    while time.monotonic() - since < limit:
        now, seq = time.monotonic(), state(primary, backups)
        if seq is None or seq != last:
            first, last = now, seq
        elif now - first >= LASTS:
            return f'settled_ms={round((first - since) * 1000)} seq={seq}'
        time.sleep(0.005)
    sys.exit(f'not settled after {limit} s')


def load(address, seconds, port, names):
    nodes = [Node(name) for name in names]
    enter('client')
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.bind((CLIENT, port))
    table, name = Table(names[0]), udp_flows(CLIENT, port, address)
    start = time.monotonic()
    opened = ended = 0
    while opened < LEAST or opened < 65000 and time.monotonic() - start < seconds:
        opened += 1
        try:
            flow.sendto(b'', (address, opened))
        except OSError:
            # The firewall went away meanwhile: tests do that.
            pass
        old = opened - WINDOW
        if old > 0 and old % STAYS:
            table.end(name(old))
            ended += 1
    end = time.monotonic()
    settled = settle(end, SETTLE, nodes[0], nodes[1:])
    print(f'opened={opened} ended={ended} load_ms={round((end - start) * 1000)} {settled}')


class Synced:
    """The file `synced` of a node, kept open: a look costs little."""

    def __init__(self, name):
        enter(name)
        self.handle = os.open('/proc/sys/net/netfilter/ct_sync/synced', os.O_RDONLY)

    def __bool__(self):
        return os.pread(self.handle, 8, 0).startswith(b'1')


def resync(names, between=lambda: time.sleep(0.005)):
    """Measures a resync of the backup; does `between` again and again meanwhile."""
    primary, backup = map(Node, names)
    synced = Synced(names[1])
    settle(time.monotonic(), SETTLE, primary, [backup])
    before = backup.read()
    start = time.monotonic()
    backup.write('resync', '1')
    while not synced:
        if time.monotonic() - start > SETTLE:
            sys.exit(f'no resync in {SETTLE} s')
        between()
    took = time.monotonic() - start
    after = backup.read()
    if after['resyncs_completed'] == before['resyncs_completed']:
        sys.exit('synced, but no resync was completed')
    records = int(after['records_received']) - int(before['records_received'])
    print(f'records={records} took_ms={round(took * 1000)} per_s={round(records / took)}', end=' ')


def live(address, port, names):
    enter('client')
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.bind((CLIENT, port))
    table, name = Table(names[1]), udp_flows(CLIENT, port, address)
    times = []

    def one():
        number = len(times) + 1
        start = time.monotonic()
        flow.sendto(b'', (address, number))
        while not table.has(name(number)):
            time.sleep(LIVE_LOOK)
        took = time.monotonic() - start
        times.append(took)
        time.sleep(max(0, LIVE_PERIOD - took))

    resync(names, one)
    print(f'flows={len(times)} longest_ms={round(max(times) * 1000)}', end=' ')


def idle(seconds, names):
    nodes = [Node(name) for name in names]
    before = [node.number('frames_sent') for node in nodes]
    time.sleep(seconds)
    for node, sent in zip(nodes, before):
        print(f'{node.name}={node.number("frames_sent") - sent}', end=' ')


def main():
    os.sched_setaffinity(0, {0})
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == 'load':
        load(arguments[0], float(arguments[1]), int(arguments[2]), arguments[3:])
    elif what == 'settled':
        nodes = [Node(name) for name in arguments[1:]]
        print(settle(time.monotonic(), float(arguments[0]), nodes[0], nodes[1:]))
    elif what == 'resync':
        resync(arguments)
    elif what == 'live':
        live(arguments[0], int(arguments[1]), arguments[2:])
    elif what == 'idle':
        idle(float(arguments[0]), arguments[1:])


main()
