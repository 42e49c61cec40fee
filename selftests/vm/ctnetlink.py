# SPDX-License-Identifier: GPL-2.0
"""The conntrack table of a node, asked by ctnetlink: a process for each question would take longer than what is measured."""

import socket
import struct

from namespace import enter

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nfnetlink_conntrack.h
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
NESTED = 1 << 15
CT_GET = 1 << 8 | 1
CT_DELETE = 1 << 8 | 2


def attribute(kind, value):
    """A netlink attribute."""
    return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)


def udp_flows(source, source_port, target):
    """What makes the name of a UDP flow of these out of its destination port."""
    addresses = attribute(1, socket.inet_aton(source)) + attribute(2, socket.inet_aton(target))
    head = attribute(NESTED | 1, addresses)
    ports = attribute(1, b'\x11') + attribute(2, struct.pack('!H', source_port))

    def flow(port):
        return attribute(NESTED | 1, head + attribute(NESTED | 2, ports + attribute(3, struct.pack('!H', port))))

    return flow


class Table:
    """The table of a node."""

    def __init__(self, node):
        enter(node)
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)

    def send(self, kind, flow):
        body = struct.pack('=BBH', socket.AF_INET, 0, 0) + flow
        self.netlink.send(struct.pack('=LHHLL', 16 + len(body), kind, NLM_F_REQUEST, 1, 0) + body)

    def end(self, flow):
        """Ends a flow; if it is not there, nobody wants to know."""
        self.send(CT_DELETE, flow)

    def has(self, flow):
        """Whether a flow is there: the answer is the entry, or an error."""
        self.send(CT_GET, flow)
        return struct.unpack_from('=LH', self.netlink.recv(65536))[1] != NLMSG_ERROR
