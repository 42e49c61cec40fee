#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What people do through a firewall, for as long as a test takes; flows.bash starts it. $SERVER is the address of the server.

Two clients of the test, in the namespaces `client` and `client2` where there is one, each have an interactive session (a line comes
back every half second), a stream of datagrams as a call has it (50 a second, each comes back), and one download after the other,
whose checksum is looked at. Commands, one a line; each is answered with a line, `ok` and maybe a value, or `error` and why:

    start                begin
    progress             how many downloads, lines, datagrams there were so far
    report               end, and say what was lost; an error when a download or a session broke
"""

import hashlib
import os
import socket
import threading
import time

from commands import obey
from namespace import enter

DOWNLOAD_BYTES, CHUNK = 1 << 20, 16384
# Bytes a second of a download, so that it lasts a few seconds.
RATE = 256 * 1024
# Seconds for which a connection may be silent before it is called broken: TCP's retransmissions back off.
PATIENCE = 40 * int(os.environ.get("SLOWNESS", "1"))
DATAGRAM_SECONDS = 0.02

ended = threading.Event()
broken = []
counts = {"downloads": 0, "lines": 0, "sent": 0, "back": 0}
silence = {"download": 0.0, "session": 0.0, "stream": 0.0}
threads = []


def content(number):
    """What download `number` consists of."""
    return hashlib.sha256(b"%d" % number).digest() * (DOWNLOAD_BYTES // 32)


def note_silence(kind, since):
    """Notes that something came `since` whenever the last one did; the time of this one."""
    now = time.monotonic()
    silence[kind] = max(silence[kind], now - since)
    return now


def serve_download(connection):
    number = int(connection.recv(64))
    data = content(number)
    for start in range(0, len(data), CHUNK):
        connection.sendall(data[start : start + CHUNK])
        time.sleep(CHUNK / RATE)
    connection.close()


def serve_session(connection):
    while data := connection.recv(4096):
        connection.sendall(data)


def serve(port, handler):
    """Accepts connections on a port of the server."""
    enter("server")
    listener = socket.create_server(("", port))
    while True:
        connection, _ = listener.accept()
        spawn(handler, connection)


def serve_stream():
    enter("server")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 5004))
    while True:
        try:
            data, address = server.recvfrom(2048)
            server.sendto(data, address)
        except OSError:
            pass  # the way back is gone for a moment


def download(node, server):
    """Downloads one thing after the other."""
    number = 0
    while not ended.is_set():
        number += 1
        enter(node)
        connection = socket.create_connection((server, 8000), PATIENCE)
        connection.settimeout(PATIENCE)
        connection.sendall(b"%d" % number)
        got, last = hashlib.sha256(), time.monotonic()
        while data := connection.recv(65536):
            got.update(data)
            last = note_silence("download", last)
        if got.digest() != hashlib.sha256(content(number)).digest():
            raise ValueError("the checksum of a download is wrong")
        counts["downloads"] += 1


def session(node, server):
    """Types a line every half second."""
    enter(node)
    connection = socket.create_connection((server, 8001), PATIENCE)
    connection.settimeout(PATIENCE)
    lines = connection.makefile("rb")
    while not ended.is_set():
        began = time.monotonic()
        line = b"%d\n" % counts["lines"]
        connection.sendall(line)
        if lines.readline() != line:
            raise EOFError("a session has another line than the one that was typed")
        note_silence("session", began)
        counts["lines"] += 1
        ended.wait(0.5)


def stream(node, server):
    """Sends a datagram every 20 ms, and counts those that come back."""
    enter(node)
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    media.connect((server, 5004))
    media.setblocking(False)
    last = time.monotonic()
    while not ended.is_set():
        try:
            media.send(bytes(160))
            counts["sent"] += 1
        except OSError:
            pass  # no way there for a moment
        while True:
            try:
                media.recv(2048)
            except OSError:
                break
            counts["back"] += 1
            last = note_silence("stream", last)
        time.sleep(DATAGRAM_SECONDS)


def run(function, *arguments):
    try:
        function(*arguments)
    except (OSError, EOFError, ValueError) as error:
        broken.append(f"{function.__name__} of {arguments[0]}: {error!r}")


def spawn(function, *arguments):
    thread = threading.Thread(target=run, args=(function, *arguments), daemon=True)
    thread.start()
    return thread


def start():
    spawn(serve, 8000, serve_download)
    spawn(serve, 8001, serve_session)
    spawn(serve_stream)
    time.sleep(1)
    for node in "client", "client2":
        if os.path.exists(f"/run/netns/{node}"):
            threads.extend(spawn(what, node, os.environ["SERVER"]) for what in (download, session, stream))


def summary():
    texts = [f"{name} {count}" for name, count in counts.items()]
    texts += [f"longest silence of a {kind} {seconds:.1f} s" for kind, seconds in silence.items()]
    return ", ".join(texts)


def progress():
    return summary() + (f"; BROKEN: {broken}" if broken else "")


def report():
    ended.set()
    for thread in threads:
        thread.join(PATIENCE)
    if broken:
        raise ValueError(f"{summary()}; {broken}")
    return summary()


obey({"start": start, "progress": progress, "report": report})
