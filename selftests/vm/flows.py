#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Opens and uses flows in the network namespaces of a test.

One process for all nodes, because a process a flow is what takes the time in an emulated machine. flows.bash starts it.
It reads a command a line and answers each with a line: `ok`, maybe with a value, or `error` and why.

    listen NODE PORT [hold]                             echo what comes, TCP and UDP, IPv4 and IPv6; with `hold` an end
                                                        of the client's side is not answered with an end of the server's
    open FLOW NODE tcp|udp ADDRESS PORT [SOURCE_PORT]   connect
    send FLOW                                           send something and do not wait
    echo FLOW                                           send a word until it has come back
    finish FLOW                                         end the client's side of a TCP connection
    close FLOW                                          end it
    reset FLOW                                          end a TCP connection by RST
    release PORT                                        end the server's side of all connections to PORT
    forge FLOW                                          send a TCP segment that is far outside of the window; its own window
                                                        is 4321, by which rules can tell it
    vrrp NODE INTERFACE                                 send a datagram of protocol 112 to 224.0.0.18
"""

import os
import selectors
import socket
import struct
import sys
import threading
import time

from commands import obey
from namespace import enter

# Seconds for a connection to open, and for a word to come back: TCP retransmits once a second after a takeover.
PATIENCE = 10 * int(os.environ.get("SLOWNESS", "1"))

flows = {}
nodes = {}
held = {}
words = iter(range(1, sys.maxsize))
events = selectors.DefaultSelector()


def echo_stream(connection, hold, port):
    """Returns what came by a TCP connection, and ends with its client."""
    try:
        data = connection.recv(65536)
        if data:
            connection.sendall(data)
            return
    except OSError:
        data = b""
    events.unregister(connection)
    if hold:
        held.setdefault(port, []).append(connection)
    else:
        connection.close()


def accept(listener, hold, port):
    """Takes a connection."""
    connection, _ = listener.accept()
    events.register(connection, selectors.EVENT_READ, lambda: echo_stream(connection, hold, port))


def echo_datagram(server):
    """Returns a datagram."""
    try:
        data, address = server.recvfrom(65536)
        server.sendto(data, address)
    except OSError:
        pass  # the way back is gone: the client asks again


def serve():
    """Runs what listens."""
    while True:
        for key, _ in events.select(0.05):
            key.data()


def listen(node, port, hold=""):
    enter(node)
    tcp = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", int(port)))
    events.register(tcp, selectors.EVENT_READ, lambda: accept(tcp, hold == "hold", int(port)))
    events.register(udp, selectors.EVENT_READ, lambda: echo_datagram(udp))


def open_flow(name, node, protocol, address, port, source_port="0"):
    enter(node)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    flow = socket.socket(family, kind)
    flow.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    flow.settimeout(PATIENCE)
    flow.bind(("", int(source_port)))
    flow.connect((address, int(port)))
    flows[name] = flow
    nodes[name] = node


def send(name):
    flows[name].send(b"%d\n" % next(words))


def echo(name):
    flow, word, got = flows[name], b"%d\n" % next(words), b""
    stream = flow.type == socket.SOCK_STREAM
    deadline = time.monotonic() + PATIENCE
    flow.settimeout(PATIENCE if stream else 0.2)
    sent = False
    while word not in got:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}: nothing came back for {PATIENCE} s")
        try:
            if not (stream and sent):
                flow.send(word)
                sent = True
            data = flow.recv(65536)
            if stream and not data:
                raise EOFError(f"{name}: the other side has ended")
            got += data
        except (TimeoutError, ConnectionRefusedError):
            if stream:
                raise


def finish(name):
    flows[name].shutdown(socket.SHUT_WR)


def close(name):
    flows.pop(name).close()


def reset(name):
    flows[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(name)


def release(port):
    for connection in held.pop(int(port), []):
        connection.close()


def checksum(data):
    """The checksum of TCP over a segment and its pseudo header."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# linux/tcp.h: how a socket is asked for its sequence numbers.
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
REPAIR_ON, REPAIR_OFF_QUIETLY = 1, -1
RECEIVE_QUEUE, SEND_QUEUE = 1, 2
# Bytes beyond the next one that is expected: more than any window.
FAR = 1 << 28


def sequence_numbers(flow):
    """What a TCP socket will send next, and what it expects next."""
    numbers = []
    flow.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    for queue in SEND_QUEUE, RECEIVE_QUEUE:
        flow.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(flow.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    flow.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_QUIETLY)
    return numbers


def forge(name):
    flow = flows[name]
    sent, received = sequence_numbers(flow)
    (source, source_port), (target, port) = flow.getsockname(), flow.getpeername()
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!HH", 6, 20)
    head = struct.pack("!HHIIBBH", source_port, port, (sent + FAR) & 0xFFFFFFFF, received, 5 << 4, 0x10, 4321)
    right = checksum(pseudo + head + bytes(4))
    enter(nodes[name])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(head + struct.pack("!HH", right, 0), (target, 0))
    raw.close()


def vrrp(node, interface):
    enter(node)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    raw.sendto(bytes(20), ("224.0.0.18", 0))
    raw.close()


COMMANDS = {
    "listen": listen, "open": open_flow, "send": send, "echo": echo, "finish": finish, "close": close, "reset": reset,
    "release": release, "forge": forge, "vrrp": vrrp,
}  # fmt: skip


def main():
    threading.Thread(target=serve, daemon=True).start()
    obey(COMMANDS)


main()
