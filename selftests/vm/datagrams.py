# SPDX-License-Identifier: GPL-2.0
"""Flows of protocols other than TCP, with crafted packets; segments.py plays their scripts too.

A message is `>` (from the client) or `<`, a kind, and then maybe words, separated by blanks or `_`. Kinds:

    (none)                  a packet of the flow; of ICMP a request one way and a reply the other
    toobig                  `<` only: an ICMP error about the flow
    INIT INIT_ACK DATA …    an SCTP chunk; the words are `tag=N`, what INIT and INIT ACK tell, and `vtag=N`, a wrong tag

and for all, `!`: it is to be refused. The name of a flow begins with its protocol, and ends in 6 for IPv6.
"""

import struct

from wire import ADDRESS, PUBLIC, checksum, packed, pseudo

PORT = 7
CHUNKS = {"DATA": 0, "INIT": 1, "INIT_ACK": 2, "HEARTBEAT": 4, "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN_ACK": 8,
          "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14}  # fmt: skip
CLIENT_TAG, SERVER_TAG = 0x11111111, 0x22222222


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Flow:
    """A flow; `protocol` by family, `payload` makes what follows the IP header."""

    opened = 0
    protocol = {}

    def __init__(self, name, wire):
        Flow.opened += 1
        self.wire = wire
        self.family = 6 if name.endswith("6") else 4
        self.port = 3000 + Flow.opened
        self.count = 0

    def send(self, text):
        words = text[1:].replace("_", " ").split()
        refused = "!" in words
        values = dict(word.split("=") for word in words if "=" in word)
        kind = "_".join(word for word in words if word != "!" and "=" not in word)
        origin = "client" if text[0] == ">" else "server"
        self.count += 1
        number = self.emit(origin, kind, values)
        return origin, number, refused

    def emit(self, origin, kind, values):
        if kind == "toobig":
            return self.complain()
        return self.wire.send(origin, self.family, self.protocol[self.family], self.payload(origin))

    def ports(self, origin):
        return (self.port, PORT) if origin == "client" else (PORT, self.port)

    def complain(self):
        """An error of a router at the server's side about a packet of the client's."""
        source, target = packed(self.family, PUBLIC[self.family]), packed(self.family, ADDRESS["server"][self.family])
        inner = self.payload("client")(source, target)
        if self.family == 4:
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(inner), 1, 0, 64, self.protocol[4], 0, source, target)
            body = struct.pack("!HH", 0, 1000) + head + inner[:8]
            return self.wire.send("server", 4, 1, struct.pack("!BBH", 3, 4, checksum(b"\3\4" + body)) + body)
        head = struct.pack("!IHBB16s16s", 6 << 28, len(inner), self.protocol[6], 64, source, target)
        body = struct.pack("!I", 1280) + head + inner
        sum_of = lambda a, b: checksum(b"\2\0" + body, pseudo(a, b, 58, 4 + len(body)))  # noqa: E731
        return self.wire.send("server", 6, 58, lambda a, b: struct.pack("!BBH", 2, 0, sum_of(a, b)) + body)

    def fared(self, sent):
        """Whether a packet has arrived, with the right addresses; behind a barrier."""
        origin, number, _ = sent
        arrival = self.wire.arrived(origin, self.family, number)
        if arrival and origin == "client" and arrival.source != PUBLIC[self.family]:
            raise ValueError(f"a packet came from {arrival.source}")
        if arrival and origin == "server" and arrival.target != ADDRESS["client"][self.family]:
            raise ValueError(f"a packet came for {arrival.target}")
        return bool(arrival)


class Udp(Flow):
    protocol = {4: 17, 6: 17}

    def payload(self, origin):
        def datagram(source, target):
            head = struct.pack("!HHH", *self.ports(origin), 12)
            right = checksum(head + b"\0\0word", pseudo(source, target, self.protocol[4], 12))
            return head + struct.pack("!H", right or 0xFFFF) + b"word"

        return datagram


class UdpLite(Udp):
    protocol = {4: 136, 6: 136}


class Echo(Flow):
    protocol = {4: 1, 6: 58}

    def payload(self, origin):
        kind = {4: (8, 0), 6: (128, 129)}[self.family][origin == "server"]
        body = struct.pack("!HH", self.port, self.count)

        def message(source, target):
            start = pseudo(source, target, 58, 8) if self.family == 6 else 0
            return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BB", kind, 0) + body, start)) + body

        return message


class Gre(Flow):
    protocol = {4: 47, 6: 47}

    def payload(self, origin):
        return lambda source, target: struct.pack("!HH", 0, 0x0800) + bytes(8)


class Esp(Flow):
    protocol = {4: 50, 6: 50}

    def payload(self, origin):
        return lambda source, target: struct.pack("!II", 256, self.count) + bytes(8)


class Other(Esp):
    protocol = {4: 253, 6: 253}


class Association(Flow):
    """SCTP."""

    protocol = {4: 132, 6: 132}

    def __init__(self, name, wire):
        super().__init__(name, wire)
        self.tags = {"client": 0, "server": 0}

    def emit(self, origin, kind, values):
        peer = "server" if origin == "client" else "client"
        vtag = 0 if kind == "INIT" else self.tags[peer]
        body = bytes(4)
        if kind in ("INIT", "INIT_ACK"):
            self.tags[origin] = int(values.get("tag", CLIENT_TAG if origin == "client" else SERVER_TAG))
            body = struct.pack("!IIHHI", self.tags[origin], 65536, 1, 1, 1)
        elif kind == "DATA":
            body = struct.pack("!IHHI", 1, 0, 0, 0) + b"word"
        vtag = int(values.get("vtag", vtag))
        chunk = struct.pack("!BBH", CHUNKS[kind], 3 if kind == "DATA" else 0, 4 + len(body)) + body
        head = struct.pack("!HHI", *self.ports(origin), vtag)
        right = struct.pack("<I", crc32c(head + bytes(4) + chunk))
        return self.wire.send(origin, self.family, 132, head + right + chunk)


KINDS = {"udplite": UdpLite, "udp": Udp, "icmp": Echo, "gre": Gre, "esp": Esp, "other": Other, "sctp": Association}


def make(name, wire):
    """The flow of a name, or None if it is not one of these protocols."""
    return next((kind(name, wire) for prefix, kind in KINDS.items() if name.startswith(prefix)), None)
