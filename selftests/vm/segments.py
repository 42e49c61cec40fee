#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plays both sides of TCP connections with crafted segments.

It reads a command a line and answers each with a line, `ok` or `error` and why; flows.bash has the other end.

    sweep                   open two connections for each case of the sweep, one of them the model
    models NODE             play the models' next segments on the primary NODE, without a takeover
    takeover NODE           play the others' next segments on NODE, which has taken over
    verdict STATE           whether the segments of a state's cases fared as their models, and left the entries as they did
    play SCRIPT...          play scripts side by side, each `name:segment,segment,…`; a name goes on where it stopped
    lasts NAME NODE S       whether the entry of a script's connection lives S seconds more there

A segment is `>` (from the client) or `<`, flags out of SAFR, and then maybe, separated by blanks or `_`:

    seq+N seq-N ack+N ack-N     relative to what the sender would send, and acknowledge, next
    seq=0 ack=0                 absolute
    len=N win=N                 data, window field as on the wire
    sack=N:M                    a block from N to M bytes beyond the acknowledgement
    old                         it is repeated, or forged: what is sent next does not follow it
    !                           it is to be refused

Connections are TCP over IPv4 with SNAT; those whose name ends in 6 are IPv6 without NAT. Those whose name begins with
`big` have windows of 60000 << 12 and 60000 << 14, others of 1000 << 7. Flows of other protocols: see datagrams.py.
"""

import re
import struct
import subprocess

import datagrams
from commands import obey
from wire import Wire, checksum, pseudo

FLAGS = {"F": 1, "S": 2, "R": 4, "A": 16}
PORT = 80
FAR = 1 << 28
# First sequence numbers; the server's soon wrap around.
ISN = {">": 0x10000000, "<": 0xFFFFFF00}
# How much shorter a timeout may be than its model's: the time between looking at the one and at the other.
SLACK = 0.3


class Side:
    """What one end of a connection has sent and has got."""

    def __init__(self, isn, scale, window):
        self.next = isn
        self.scale, self.window = scale, window


class Connection:
    """A connection, by its source port."""

    wire = None
    opened = 0

    def __init__(self, name=""):
        Connection.opened += 1
        scale, window = ((12, 14), 60000) if name.startswith("big") else ((7, 7), 1000)
        self.family = 6 if name.endswith("6") else 4
        self.port = 2000 + Connection.opened
        self.sides = {mark: Side(ISN[mark], scale[i], window) for i, mark in enumerate("><")}

    def send(self, text):
        """Sends a segment; returns what `Connection.fared` wants to know."""
        flags, *words = re.split(r"[ _]+", text.strip())
        mark, flags = flags[0], flags[1:]
        side, peer = self.sides[mark], self.sides["<" if mark == ">" else ">"]
        origin = "client" if mark == ">" else "server"
        values = {"seq": side.next, "ack": peer.next if "A" in flags else 0, "len": 0, "win": side.window}
        old = refused = False
        sack = None
        for word in words:
            found = re.fullmatch(r"(seq|ack|len|win)([=+-])(\d+)", word)
            if found:
                name, sign, number = found[1], found[2], int(found[3])
                values[name] = number if sign == "=" else values[name] + (number if sign == "+" else -number)
            elif word.startswith("sack="):
                sack = [int(number) for number in word[5:].split(":")]
            elif word == "old":
                old = True
            elif word == "!":
                refused = True
            else:
                raise ValueError(f"no such word: {word}")
        seq, ack, length, window = (values[name] for name in ("seq", "ack", "len", "win"))
        options = b""
        if "S" in flags:
            options = struct.pack("!BBHBBBBBB", 2, 4, 1460, 4, 2, 3, 3, side.scale, 0) + b"\0\0"
        if sack:
            options = struct.pack("!BBBBII", 1, 1, 5, 10, (ack + sack[0]) & 0xFFFFFFFF, (ack + sack[1]) & 0xFFFFFFFF)
        data = bytes(length)
        ports = (self.port, PORT) if mark == ">" else (PORT, self.port)
        bits = sum(FLAGS[flag] for flag in flags)
        offset = (20 + len(options)) // 4 << 4
        head = struct.pack("!HHIIBBH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, bits, window)

        def segment(source, target):
            size = len(head) + 4 + len(options) + len(data)
            right = checksum(head + bytes(4) + options + data, pseudo(source, target, 6, size))
            return head + struct.pack("!HH", right, 0) + options + data

        number = Connection.wire.send(origin, self.family, 6, segment)
        if not old:
            side.next = max(side.next, seq + length + ("S" in flags) + ("F" in flags))
        return origin, number, refused

    def fared(self, sent):
        """Whether a segment has arrived, from the right address; behind a barrier."""
        origin, number, _ = sent
        arrival = Connection.wire.arrived(origin, self.family, number)
        if arrival and origin == "client" and arrival.source != Connection.wire.addresses("server", self.family)[1]:
            raise ValueError(f"a segment came from {arrival.source}")
        return bool(arrival)


def states(node):
    """State and timeout of the TCP entries of a node, by family and source port."""
    found = {}
    for family in "ipv4", "ipv6":
        output = subprocess.run(["ip", "netns", "exec", node, "conntrack", "-L", "-p", "tcp", "-f", family],
                                capture_output=True, text=True, check=True).stdout  # fmt: skip
        for line in output.splitlines():
            words = line.split()
            port = int(re.search(r"sport=(\d+)", line)[1])
            assured = " [ASSURED]" if "[ASSURED]" in line else ""
            found[int(family[3]), port] = words[3] + assured, int(words[2])
    return found


OPEN = [">S", "<SA", ">A"]
# How each state of the tracker is reached.
BEFORE = {
    "SYN_SENT": [">S"],
    "SYN_SENT2": [">S", "<S"],
    "SYN_RECV": [">S", "<SA"],
    "ESTABLISHED": [*OPEN, ">A len=100", "<A len=200", ">A"],
    "FIN_WAIT": [*OPEN, ">A len=100", "<A", ">FA"],
    "FIN_WAIT-server": [*OPEN, ">A len=100", "<A", "<FA"],
    "CLOSE_WAIT": [*OPEN, ">A len=100", "<A", ">FA", "<A"],
    "CLOSE_WAIT-server": [*OPEN, ">A len=100", "<A", "<FA", ">A"],
    "LAST_ACK": [*OPEN, ">FA", "<A", "<FA"],
    "LAST_ACK-both": [*OPEN, ">FA", "<FA"],
    "TIME_WAIT": [*OPEN, ">FA", "<A", "<FA", ">A"],
    "CLOSE": [*OPEN, ">A len=100", "<A", ">RA"],
    "CLOSE-server": [*OPEN, ">A len=100", "<A", "<R"],
}
# What may come next, from either side.
NEXT = {
    "syn": "S seq+100000",
    "syn-again": "S seq-1 old",
    "synack": "SA",
    "synack-again": "SA seq-1 old",
    "ack": "A",
    "ack-sack": "A sack=0:0",
    "data": "A len=100",
    "again": "A seq-100 len=100 old",
    "keepalive": "A seq-1 old",
    "fin": "FA",
    "fin-again": "FA seq-1 old",
    "rst": "RA",
    "rst-bare": "R",
    "rst-old": "RA seq-50 old",
    "beyond": f"A seq+{FAR} len=100 old",
}
# What the tracker refuses because of the window, which it does not know after a takeover. An old RST ends the connection in
# states in which it would not.
LIBERAL = {f"{state}/{mark}{follow}" for state in BEFORE for mark in "><" for follow in ("beyond", "rst-old")}
LIBERAL |= {"SYN_SENT2/>syn", "SYN_SENT2/<syn"}
# Whether the client sent the RST is not known, so a SYN of its is let through first and believed when it is answered.
BELIEVED_LATER = {"CLOSE/>syn", "CLOSE/>syn-again"}


class Case:
    """A state, and the segment that comes then: once with a takeover in between, once without, the model."""

    def __init__(self, state, mark, follow):
        self.name = f"{state}/{mark}{follow}"
        self.before = BEFORE[state]
        self.follow = mark + NEXT[follow]
        self.model, self.copy = Connection(), Connection()
        self.results = {}

    def problem(self):
        """What is wrong after the takeover, or None. What is outside of the window may pass then."""
        model, copy = self.results["model"], self.results["copy"]
        if copy[:2] == model[:2] and copy[2] >= model[2] * (1 - SLACK):
            return None
        if not model[0] and copy[0] and self.name in LIBERAL:
            return None
        if model[0] and copy[0] and self.name in BELIEVED_LATER:
            return None
        return f"{self.name}: without a takeover {model}, after it {copy}"


cases = {}
played = {}


def sweep():
    for state in BEFORE:
        for mark in "><":
            for follow in NEXT:
                case = Case(state, mark, follow)
                cases[case.name] = case
    for step in range(max(map(len, BEFORE.values()))):
        sent = []
        for case in cases.values():
            for connection in case.model, case.copy:
                if step < len(case.before):
                    sent.append((case, connection, connection.send(case.before[step])))
        Connection.wire.barrier(4)
        for case, connection, segment in sent:
            if not connection.fared(segment):
                raise ValueError(f"{case.name}: {case.before[step]} does not pass")


def follow(which, node):
    sent = [(case, case.__dict__[which].send(case.follow)) for case in cases.values()]
    Connection.wire.barrier(4)
    entries = states(node)
    for case, segment in sent:
        connection = case.__dict__[which]
        case.results[which] = connection.fared(segment), *entries.get((4, connection.port), ("gone", 0))


def models(node):
    follow("model", node)


def takeover(node):
    follow("copy", node)


def verdict(state):
    problems = [case.problem() for case in cases.values() if case.name.startswith(f"{state}/")]
    if not problems or any(problems):
        raise ValueError("; ".join(filter(None, problems)) or "no cases")


def play(*scripts):
    """Plays the scripts side by side, a segment of each at a time."""
    parts = {}
    for script in scripts:
        name, segments = script.split(":", 1)
        if name not in played:
            played[name] = datagrams.make(name, Connection.wire) or Connection(name)
        parts[name] = segments.split(",")
    problems = []
    for step in range(max(map(len, parts.values()))):
        sent = [(name, played[name].send(part[step])) for name, part in parts.items() if step < len(part)]
        for family in {played[name].family for name, _ in sent}:
            Connection.wire.barrier(family)
        problems += [f"{name}: {parts[name][step]} {'passes' if refused else 'is refused'}"
                     for name, (origin, number, refused) in sent
                     if played[name].fared((origin, number, refused)) == refused]  # fmt: skip
    if problems:
        raise ValueError("; ".join(problems))


def lasts(name, node, seconds):
    state, timeout = states(node)[played[name].family, played[name].port]
    if timeout < int(seconds):
        raise ValueError(f"{name}: {state}, {timeout} s")


COMMANDS = {"sweep": sweep, "models": models, "takeover": takeover, "verdict": verdict, "play": play, "lasts": lasts}


def main():
    Connection.wire = Wire()
    obey(COMMANDS)


main()
