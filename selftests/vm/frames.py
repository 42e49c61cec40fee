#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends frames that nobody ought to send.

usage: frames.py INTERFACE GROUP PORT SEED

Reads one case a line, `NAME [ARGUMENT]...`, sends what it is, and answers `sent NAME`. Frames are sent as node 99 unless
the case says otherwise; as a primary of epoch EPOCH after `lead EPOCH`. The layout is that of Documentation/protocol.rst.
"""

import random
import socket
import struct
import sys

INTERFACE, GROUP, PORT, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
MAGIC, VERSION, HEADER_LEN = 0x43545359, 1, 40
DATA, HEARTBEAT, RESYNC_REQUEST = 1, 2, 4
PRIMARY = 1
UPSERT, DELETE, EXPECTATION = 1, 2, 9
TCP, UDP, EXPERIMENT = 6, 17, 253
TCP_STATE = bytes([2, 4, 3, 0x77, 0x23, 0x23])
# A label, a security context, SYN proxy, start, counters and timeouts of TCP.
EXTRAS = (bytes([11, 2, 0, 4, 12, 10]) + b'unconfined' + bytes([13, 12]) + b'\1' * 12 + bytes([14, 8]) + b'\0' * 7 + b'\1'
          + bytes([15, 32]) + b'\2' * 32 + bytes([16, 56]) + struct.pack('>14I', *range(60, 74)))
# The only one of its list, for a minute: TCP to 192.0.2.200:2000.
EXPECTED = bytes([0, 1, 0, 0, 0, 0, 0, 60, TCP, 192, 0, 2, 200, 7, 208])

rng = random.Random(SEED)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)

# The stream that `lead` began: its epoch and its last number.
epoch = last = 0


def frame(payload=b'', count=0, kind=DATA, flags=0, magic=MAGIC, version=VERSION, cluster=0, node=99, seq=1, length=None):
    """A frame; by default it is sound, and of a node that is a backup."""
    length = len(payload) if length is None else length
    return struct.pack('>IBBBBIIIHHQQ', magic, version, kind, flags, 0, cluster, node, 7, count, length,
                       epoch, seq) + payload


def key(number, protocol):
    """The key of connection NUMBER, which only this program knows of."""
    return struct.pack('>BB4s4sHH', 0, protocol, bytes([10, 1, 0, 200]), bytes([192, 0, 2, 200]), number, 9)


def record(kind, body, length=None):
    """A record with the length that it has, or another."""
    length = 1 + len(body) if length is None else length
    return (bytes([length]) if length < 255 else struct.pack('>BH', 255, length)) + bytes([kind]) + body


def upsert(number, protocol=UDP, attributes=b''):
    """The record that connection NUMBER is there."""
    return record(UPSERT, key(number, protocol) + b'\0\0' + attributes)


def send(datagram, to=None):
    sock.sendto(datagram, (to or GROUP, PORT))


def lead(of_epoch):
    """From now on frames are a primary's, of an epoch that others follow."""
    global epoch, last
    epoch, last = int(of_epoch), 0


def data(*records, count=None, **header):
    """The next frame of the stream that was begun."""
    global last
    last += 1
    send(frame(b''.join(records), len(records) if count is None else count, flags=PRIMARY, seq=last, **header))


def random_bytes(count):
    for _ in range(int(count)):
        send(rng.randbytes(rng.randrange(1, 1400)))


def mutilated(count):
    """Frames of the stream whose records were sound before some of their bytes were changed."""
    global last
    tcp = upsert(21, TCP, TCP_STATE)
    sound = upsert(20) + tcp + upsert(22, UDP, bytes([5, 4, 0, 0, 0, 1])) + upsert(23, TCP, TCP_STATE + EXTRAS)
    for _ in range(int(count)):
        payload = bytearray(sound)
        for _ in range(rng.randrange(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        last += 1
        send(frame(bytes(payload), 4, flags=PRIMARY, seq=last))


def low_ttl():
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 254)
    send(frame())
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)


CASES = {
    'lead': lead,
    'random': random_bytes,
    'mutilated': mutilated,
    'other-cluster': lambda: send(frame(cluster=1)),
    'other-version': lambda: send(frame(version=2)),
    'bad-magic': lambda: send(frame(magic=MAGIC + 1)),
    'empty': lambda: send(b''),
    'cut-header': lambda: send(frame()[:HEADER_LEN - 1]),
    'cut-payload': lambda: send(frame(upsert(1), 1, length=len(upsert(1)) + 1)),
    'garbage-after-frame': lambda: send(frame(upsert(1), 1) + b'garbage', ),
    'garbage-after-records': lambda: send(frame(upsert(1) + b'garbage', 1)),
    'record-overrun': lambda: send(frame(upsert(1)[:-1], 1)),
    'record-missing': lambda: send(frame(upsert(1), 2)),
    'unknown-kind': lambda: send(frame(kind=77)),
    'short-heartbeat': lambda: send(frame(b'\0' * 31, kind=HEARTBEAT)),
    'stale-epoch': lambda: send(frame(upsert(1), 1, flags=PRIMARY)),
    'own-id': lambda node: send(frame(upsert(1), 1, flags=PRIMARY, node=int(node))),
    'low-ttl': low_ttl,
    'too-long': lambda: send(frame(b'\0' * 20000)),
    'request': lambda: send(frame(struct.pack('>QIIQ', 0, 0, 0, 0), kind=RESYNC_REQUEST)),
    'to': lambda address: send(frame(), address),
    # Of a stream that is followed.
    'large-table': lambda: send(frame(struct.pack('>QIIQII', epoch, 99, 7, last, 0, 1 << 30), kind=HEARTBEAT,
                                      flags=PRIMARY, seq=last)),
    'sound': lambda number: data(upsert(int(number))),
    'late': lambda: send(frame(upsert(2), 1, flags=PRIMARY, seq=last)),
    'unknown-type': lambda: data(record(88, b'what is this'), upsert(3)),
    'unknown-attribute': lambda: data(upsert(4, UDP, bytes([200, 3, 1, 2, 3]))),
    'malformed': lambda: data(record(UPSERT, key(5, UDP)[:-1]), record(UPSERT, b'\xff'), upsert(6)),
    'empty-record': lambda: data(b'\0', upsert(7)),
    'unknown-protocol': lambda: data(upsert(0, EXPERIMENT)),
    'tcp-state': lambda: data(upsert(8, TCP, bytes([2, 4, 10, 0, 0, 0])), upsert(9)),
    'tcp-scale': lambda: data(upsert(8, TCP, bytes([2, 4, 3, 0xf0, 0, 0])), upsert(10)),
    'tcp-stateless': lambda: data(upsert(8, TCP), upsert(11)),
    'no-helper': lambda: data(upsert(14, UDP, bytes([7, 6]) + b'nosuch')),
    'child': lambda: data(upsert(15, UDP, bytes([8, 16]) + key(16, TCP)[1:] + b'ftp')),
    'master': lambda: data(upsert(16, TCP, TCP_STATE)),
    'not-expecting': lambda: data(record(EXPECTATION, key(14, UDP) + EXPECTED), upsert(17)),
    'no-context': lambda: data(upsert(18, UDP, bytes([12, 11]) + b'nobody:here')),
    'no-policy': lambda: data(upsert(19, UDP, bytes([16, 12]) + struct.pack('>3I', 1, 2, 3))),
    'long-labels': lambda: data(upsert(24, UDP, bytes([11, 17]) + b'\1' * 17)),
    'long-record': lambda: data(upsert(25, UDP, bytes([200, 255]) + b'\1' * 255)),
    'unknown-delete': lambda: data(record(DELETE, key(12, UDP)), upsert(13)),
}

for line in sys.stdin:
    name, *arguments = line.split()
    CASES[name](*arguments)
    print('sent', name, flush=True)
