#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The connections of the demo: `flows.py serve` in the server, `flows.py use` in the client.

download  TCP; the server sends MEGABYTES at a steady pace, then the SHA-256 of all
session   TCP; the client sends a line each 200 ms when the answer to the last one is there
UDP       both sides send a numbered datagram each 100 ms, by sockets that are connected to each other

The client obeys the commands that it reads, and answers each with `@end`:

    start       opens a session and a UDP flow, and forgets those before
    download    starts a download, and forgets the one before
    forget      forgets the longest silences
    probe       opens a connection of its own; prints `@probe works` or why not

Twice a second it prints `@flow NAME STATE SILENCE LONGEST TEXT` for each flow, with times in milliseconds. STATE is `runs`,
`done` or `broken`.
"""

import hashlib
import os
import socket
import struct
import sys
import threading
import time

SERVER = "192.168.2.10"
DOWNLOAD_PORT, SESSION_PORT, UDP_PORT = 8000, 8001, 8002
MEGABYTES = 24
CHUNK, CHUNK_SECONDS = 100_000, 0.1
CHUNKS = MEGABYTES * 1_000_000 // CHUNK
LINE_SECONDS, DATAGRAM_SECONDS, REPORT_SECONDS = 0.2, 0.1, 0.5
# A datagram: its number, how many have come from the other side, the highest of their numbers.
DATAGRAM = struct.Struct("!III")
HELLO = b"hello"


output = threading.Lock()


def say(*words):
    with output:
        print(*words, flush=True)


def thread(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def serve_one(handler, connection):
    """Runs `handler` until the connection ends or breaks."""
    with connection:
        try:
            handler(connection)
        except OSError:
            pass


def every(seconds):
    """Yields at a steady pace; what was missed is left out."""
    due = time.monotonic()
    while True:
        yield
        now = time.monotonic()
        due = max(due + seconds, now)
        time.sleep(due - now)


class Silence:
    """Measures the times in which nothing comes."""

    def __init__(self):
        self.last, self.longest, self.count = time.monotonic(), 0.0, 0

    def now(self):
        return time.monotonic() - self.last

    def ends(self, count=1):
        self.longest = max(self.longest, self.now())
        self.last = time.monotonic()
        self.count += count


# --- the server -----------------------------------------------------------


def send_download(connection):
    digest = hashlib.sha256()
    block = os.urandom(CHUNK - 8)
    for number, _ in zip(range(CHUNKS), every(CHUNK_SECONDS)):
        chunk = struct.pack("!Q", number) + block
        digest.update(chunk)
        connection.sendall(chunk)
    connection.sendall(digest.digest())


def answer_session(connection):
    while data := connection.recv(4096):
        connection.sendall(data)


def accept(port, handler):
    listener = socket.create_server(("", port))
    while True:
        thread(serve_one, handler, listener.accept()[0])


def udp_socket():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp.bind(("", UDP_PORT))
    return udp


class Datagrams:
    """One side of a UDP flow."""

    def __init__(self, udp, silence, heard=lambda there: None):
        """`heard` is called with how many datagrams the other side has heard."""
        self.udp, self.silence, self.heard = udp, silence, heard
        self.sent = self.highest = self.there = self.highest_there = 0
        thread(self.receive)
        thread(self.send)

    def receive(self):
        while True:
            try:
                data = self.udp.recv(64)
            except OSError:
                continue  # an ICMP error: the way is broken at the moment
            if len(data) == DATAGRAM.size:
                self.highest, self.there, self.highest_there = DATAGRAM.unpack(data)
                self.silence.ends()
                self.heard(self.there)

    def send(self):
        for _ in every(DATAGRAM_SECONDS):
            self.sent += 1
            try:
                self.udp.send(DATAGRAM.pack(self.sent, self.silence.count, self.highest))
            except OSError:
                pass

    def lost(self):
        """Datagrams that were sent, either way, before some that came."""
        return self.highest - self.silence.count + self.highest_there - self.there


def serve_udp():
    door = udp_socket()
    known = set()
    while True:
        data, peer = door.recvfrom(64)
        if data == HELLO and peer not in known:
            known.add(peer)
            udp = udp_socket()
            udp.connect(peer)
            Datagrams(udp, Silence())


def serve():
    thread(accept, DOWNLOAD_PORT, send_download)
    thread(accept, SESSION_PORT, answer_session)
    serve_udp()


# --- the client -----------------------------------------------------------


class Flow:
    """A flow in its own thread. `run` returns when it is done, and raises when it is broken."""

    def __init__(self):
        self.silence, self.state, self.text = Silence(), "runs", ""
        thread(self.body)

    def body(self):
        try:
            self.run()
            self.state = "done"
        except Exception as error:  # whatever it is, it is the end of the flow
            self.state, self.text = "broken", str(error)

    def silent(self):
        return self.silence.now() if self.state == "runs" else 0

    def longest(self):
        return max(self.silence.longest, self.silent())

    def forget(self):
        self.silence.longest = 0.0


class Download(Flow):
    def run(self):
        digest, left, end = hashlib.sha256(), CHUNKS * CHUNK, b""
        with socket.create_connection((SERVER, DOWNLOAD_PORT)) as connection:
            while data := connection.recv(65536):
                self.silence.ends(len(data))
                digest.update(data[:left])
                end += data[left:]
                left -= min(left, len(data))
                self.text = f"{self.silence.count / 1e6:.1f} MB"
        if len(end) < digest.digest_size:
            raise EOFError(f"ended after {self.text}")
        if end != digest.digest():
            raise ValueError("the checksum is wrong")
        self.text += ", checksum right"


class Session(Flow):
    def run(self):
        with socket.create_connection((SERVER, SESSION_PORT)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = connection.makefile("rb")
            for _ in every(LINE_SECONDS):
                line = b"line %d\n" % self.silence.count
                connection.sendall(line)
                if answers.readline() != line:
                    raise EOFError(f"ended after {self.text}")
                self.silence.ends()
                self.text = f"{self.silence.count} lines"


class Udp(Flow):
    def __init__(self):
        # What the server has heard, as seen from here.
        self.there = Silence()
        super().__init__()

    def run(self):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.connect((SERVER, UDP_PORT))
        self.greet(udp)
        self.datagrams = Datagrams(udp, self.silence, self.heard)
        threading.Event().wait()

    def greet(self, udp):
        """Says hello until there is an answer."""
        udp.settimeout(0.5)
        while True:
            try:
                udp.send(HELLO)
                udp.recv(64)
                break
            except OSError:
                continue
        udp.settimeout(None)

    def heard(self, there):
        if there > self.there.count:
            self.there.ends(there - self.there.count)
        self.text = f"{there} there, {self.silence.count} back, {self.datagrams.lost()} lost"

    def silent(self):
        return max(self.silence.now(), self.there.now())

    def longest(self):
        return max(super().longest(), self.there.longest)

    def forget(self):
        super().forget()
        self.there.longest = 0.0


flows = {}


def start():
    flows.update(session=Session(), UDP=Udp())


def download():
    flows.update(download=Download())


def forget():
    for flow in flows.values():
        flow.forget()


def probe():
    try:
        with socket.create_connection((SERVER, SESSION_PORT), timeout=5) as connection:
            connection.sendall(b"probe\n")
            say("@probe", "works" if connection.recv(64) == b"probe\n" else "ended")
    except OSError as error:
        say("@probe", error)


def report():
    for _ in every(REPORT_SECONDS):
        lines = [
            f"@flow {name} {flow.state} {flow.silent() * 1000:.0f} {flow.longest() * 1000:.0f} {flow.text}"
            for name, flow in list(flows.items())
        ]
        if lines:
            say("\n".join(lines))


def use():
    thread(report)
    say("@ready")
    for line in sys.stdin:
        {"start": start, "download": download, "forget": forget, "probe": probe}[line.strip()]()
        say("@end")


{"serve": serve, "use": use}[sys.argv[1]]()
