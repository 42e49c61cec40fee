# SPDX-License-Identifier: GPL-2.0
"""Crafted packets between the client and the server of a test, and what became of them.

Each packet bears a number, in IPv4 its identification, in IPv6 its flow label, by which it is known at the other end. Raw
sockets send, packet sockets listen, so the nodes' own stacks have no part in it; the test has them drop what arrives
(quiet_nodes in flows.bash). Packets of one direction do not overtake each other, so when a datagram that was sent behind
them has arrived, `barrier` knows that whatever has not is lost.
"""

import select
import socket
import struct
import time

from namespace import enter

# <linux/if_ether.h>, <asm-generic/socket.h>
ETH_P = {4: 0x0800, 6: 0x86DD}
SO_RCVBUFFORCE = 33
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
# As in lib.sh: addresses of the nodes, and the one the client has for the server.
ADDRESS = {"client": {4: "10.1.0.10", 6: "2001:db8:1::10"}, "server": {4: "192.0.2.10", 6: "2001:db8:2::10"}}
PUBLIC = {4: "192.0.2.1", 6: "2001:db8:1::10"}
# Port of the datagrams behind which nothing is to be expected any more.
BARRIER_PORT = 9
# Seconds after which a datagram is sent again that nothing of a takeover should hold back.
PATIENCE = 0.5
ATTEMPTS = 20


def packed(family, address):
    return socket.inet_pton(FAMILY[family], address)


def sum16(data):
    """The sum of a checksum, not folded."""
    if len(data) % 2:
        data += b"\0"
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def checksum(data, start=0):
    """The checksum of the Internet protocols."""
    total = start + sum16(data)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(source, target, protocol, length):
    """The sum of the pseudo header for addresses that are packed."""
    return sum16(source + target) + protocol + length


class Arrival:
    """A packet that came: addresses as text, and what follows the IP header."""

    def __init__(self, source, target, payload):
        self.source, self.target, self.payload = source, target, payload


class Node:
    """The sockets of one end."""

    def __init__(self, name):
        enter(name)
        self.name = name
        self.senders = {family: socket.socket(FAMILY[family], socket.SOCK_RAW, socket.IPPROTO_RAW) for family in FAMILY}
        self.listeners = []
        for family in FAMILY:
            listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P[family]))
            listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            listener.setblocking(False)
            self.listeners.append((family, listener))


class Wire:
    """Both ends, and the packets between them."""

    def __init__(self):
        self.nodes = {name: Node(name) for name in ADDRESS}
        self.number = 0
        self.arrivals = {}

    def addresses(self, origin, family):
        """Source and destination of a packet that `origin` sends to the other: the server knows the public address."""
        if origin == "client":
            return ADDRESS["client"][family], ADDRESS["server"][family]
        return ADDRESS["server"][family], PUBLIC[family]

    def send(self, origin, family, protocol, payload, addresses=None):
        """Sends a packet and returns its number. `payload` is bytes, or makes them of the packed addresses."""
        source, target = addresses or self.addresses(origin, family)
        self.number += 1
        raw_source, raw_target = packed(family, source), packed(family, target)
        if callable(payload):
            payload = payload(raw_source, raw_target)
        if family == 4:
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), self.number, 0, 64, protocol, 0, raw_source, raw_target)
        else:
            head = struct.pack("!IHBB16s16s", 6 << 28 | self.number, len(payload), protocol, 64, raw_source, raw_target)
        self.nodes[origin].senders[family].sendto(head + payload, (target, 0))
        return self.number

    def drain(self):
        """Takes in what has come."""
        for name, node in self.nodes.items():
            for family, listener in node.listeners:
                while True:
                    try:
                        data, origin = listener.recvfrom(2048)
                    except BlockingIOError:
                        break
                    if origin[2] == socket.PACKET_OUTGOING:
                        continue
                    if family == 4:
                        length, number = struct.unpack("!2xHH", data[:6])
                        head, ends = (data[0] & 15) * 4, (data[12:16], data[16:20])
                    else:
                        number, length = struct.unpack("!IH", data[:6])
                        number, length, head, ends = number & 0xFFFFF, length + 40, 40, (data[8:24], data[24:40])
                    texts = [socket.inet_ntop(FAMILY[family], end) for end in ends]
                    self.arrivals[name, family, number] = Arrival(*texts, data[head:length])

    def arrived(self, origin, family, number):
        """What has come of a packet at the other end, or None."""
        other = "server" if origin == "client" else "client"
        return self.arrivals.get((other, family, number))

    def barrier(self, family):
        """Returns when everything that was sent has arrived or is lost."""
        def datagram(source, target):
            head = struct.pack("!HHH", BARRIER_PORT, BARRIER_PORT, 8)
            return head + struct.pack("!H", checksum(head, pseudo(source, target, 17, 8)) or 0xFFFF)

        for origin in self.nodes:
            for _ in range(ATTEMPTS):
                number = self.send(origin, family, 17, datagram)
                end = time.monotonic() + PATIENCE
                while not self.arrived(origin, family, number) and time.monotonic() < end:
                    self.drain()
                    sockets = [listener for node in self.nodes.values() for _, listener in node.listeners]
                    select.select(sockets, [], [], 0.02)
                if self.arrived(origin, family, number):
                    break
            else:
                raise TimeoutError(f"nothing comes through from the {origin}, IPv{family}")
        self.drain()
