#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends datagrams from one network namespace to another and says whether they arrive.

Reads `FROM TO ADDRESS KIND SECONDS` a line, where KIND is udp:PORT or ip:PROTOCOL and ADDRESS is one of TO's, and answers
`arrived`, or `lost` after so many seconds.
"""

import socket
import sys

from namespace import enter

sockets = {}


def open_in(namespace, family, kind, number, port):
    """A socket of the namespace, made when it is first asked for."""
    name = (namespace, family, kind, number, port)
    if name not in sockets:
        enter(namespace)
        sockets[name] = socket.socket(family, kind, number)
        if family == socket.AF_INET6 and port is not None:
            sockets[name].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port is not None:
            sockets[name].bind(('', port))
    return sockets[name]


def deliver(source, target, address, what, seconds, token):
    """Whether a datagram that ends with the token arrives."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    layer, number = what.split(':')
    number = int(number)
    if layer == 'udp':
        sender = open_in(source, family, socket.SOCK_DGRAM, 0, None)
        receiver = open_in(target, family, socket.SOCK_DGRAM, 0, number)
        destination = (address, number)
    else:
        sender = open_in(source, family, socket.SOCK_RAW, number, None)
        receiver = open_in(target, family, socket.SOCK_RAW, number, None)
        destination = (address, 0)
    receiver.settimeout(float(seconds))
    try:
        sender.sendto(token, destination)
        while not receiver.recv(2000).endswith(token):
            pass
        return True
    except OSError:
        # The time is up; or a raw socket was told that the frame was dropped.
        return False


for count, line in enumerate(sys.stdin):
    arrived = deliver(*line.split(), b'token %d' % count)
    print('arrived' if arrived else 'lost', flush=True)
