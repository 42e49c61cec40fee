#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""wg.py INTERFACE FILE: what of `wg setconf` a test needs, by generic netlink (linux/wireguard.h)."""

import base64
import configparser
import ipaddress
import socket
import struct
import sys

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
WG_CMD_SET_DEVICE = 1
WGDEVICE_A_IFNAME, WGDEVICE_A_PRIVATE_KEY, WGDEVICE_A_LISTEN_PORT, WGDEVICE_A_PEERS = 2, 3, 6, 8
WGPEER_A_PUBLIC_KEY, WGPEER_A_ENDPOINT, WGPEER_A_ALLOWEDIPS = 1, 4, 9
WGALLOWEDIP_A_FAMILY, WGALLOWEDIP_A_IPADDR, WGALLOWEDIP_A_CIDR_MASK = 1, 2, 3
NLM_F_REQUEST_ACK, NLMSG_ERROR, NLA_F_NESTED = 5, 2, 1 << 15


def attribute(kind, data):
    """An attribute of netlink."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def nest(kind, *attributes):
    """An attribute of attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def request(netlink, family, command, *attributes):
    """Sends a request; its answer, without the headers."""
    body = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    netlink.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST_ACK, 1, 0) + body)
    answer = netlink.recv(65536)
    if struct.unpack_from("=H", answer, 4)[0] == NLMSG_ERROR:
        error = -struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(error, "netlink")
    return answer[20:]


def attributes_of(data):
    """The attributes of an answer, by kind."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def allowed(network):
    """An address range that a peer may use."""
    network = ipaddress.ip_network(network)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    return nest(
        0,
        attribute(WGALLOWEDIP_A_FAMILY, struct.pack("=H", family)),
        attribute(WGALLOWEDIP_A_IPADDR, network.network_address.packed),
        attribute(WGALLOWEDIP_A_CIDR_MASK, struct.pack("=B", network.prefixlen)),
    )


def main():
    name, path = sys.argv[1:]
    conf = configparser.ConfigParser()
    conf.read(path)
    interface, peer = conf["Interface"], conf["Peer"]
    address, port = peer["Endpoint"].rsplit(":", 1)
    endpoint = struct.pack("=H", socket.AF_INET) + struct.pack("!H", int(port)) + socket.inet_aton(address) + bytes(8)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    netlink.bind((0, 0))
    answer = request(netlink, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(CTRL_ATTR_FAMILY_NAME, b"wireguard\0"))
    netlink.recv(65536)  # the acknowledgement
    family = struct.unpack("=H", attributes_of(answer)[CTRL_ATTR_FAMILY_ID])[0]
    request(
        netlink,
        family,
        WG_CMD_SET_DEVICE,
        attribute(WGDEVICE_A_IFNAME, name.encode() + b"\0"),
        attribute(WGDEVICE_A_PRIVATE_KEY, base64.b64decode(interface["PrivateKey"])),
        attribute(WGDEVICE_A_LISTEN_PORT, struct.pack("=H", int(interface["ListenPort"]))),
        nest(
            WGDEVICE_A_PEERS,
            nest(
                0,
                attribute(WGPEER_A_PUBLIC_KEY, base64.b64decode(peer["PublicKey"])),
                attribute(WGPEER_A_ENDPOINT, endpoint),
                nest(WGPEER_A_ALLOWEDIPS, allowed(peer["AllowedIPs"])),
            ),
        ),
    )


main()
