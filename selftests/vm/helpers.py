#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Clients and servers of protocols that announce connections: FTP, TFTP, SIP; in the network namespaces of a test.

flow of flows.bash starts it and gives a command a line; each is answered by a line, `ok` or `error` and why.

    ftpd NODE                       an FTP server
    ftp FLOW NODE ADDRESS [SOURCE]  open a control connection
    active FLOW                     announce a data connection of the server's to us (PORT, EPRT)
    announce FLOW                   the same, without waiting for the answer, which `answered` does
    answered FLOW                   wait for it
    passive FLOW                    have the server announce one of ours to it (PASV, EPSV)
    data FLOW                       open the data connection that was announced, and have a word echoed
    echo FLOW                       have a word echoed on the data connection
    close FLOW                      end it
    noop FLOW                       have a command answered
    tftpd NODE                      a TFTP server
    rrq FLOW NODE ADDRESS           ask it for a file
    answer FLOW                     have it send a block, from a port of its own
    acknowledge FLOW                acknowledge that block
    sipd NODE                       a SIP server
    invite FLOW NODE ADDRESS        call it, and announce where we want to hear it
    rtp FLOW                        have it speak, and answer
"""

import os
import re
import socket
import struct
import sys
import threading

# Seconds that anything may take: TCP retransmits once a second after a takeover.
PATIENCE = 10

flows = {}
asked = {}
called = {}


def enter(node):
    """Has this thread's next sockets made in the namespace of `node`."""
    handle = os.open(f"/run/netns/{node}", os.O_RDONLY)
    os.setns(handle, os.CLONE_NEWNET)
    os.close(handle)


def plain(address):
    """An address as people write it, without what marks an IPv4 address in IPv6."""
    return address.removeprefix("::ffff:")


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# --- FTP -----------------------------------------------------------------------


def extended(address, port):
    """The argument of EPRT (RFC 2428)."""
    return f"|{2 if ':' in address else 1}|{address}|{port}|"


def classic(address, port):
    """The argument of PORT (RFC 959)."""
    return ",".join([*address.split("."), str(port >> 8), str(port & 255)])


def parse(argument, address):
    """Address and port of a data connection, in whatever form."""
    if found := re.search(r"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", argument):
        numbers = found.groups()
        return ".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])
    _, _, host, port, *_ = re.search(r"\|.*\|", argument).group().split("|")
    return host or address, int(port)


def echo_all(connection):
    """Returns what comes, until the end."""
    while data := connection.recv(4096):
        connection.sendall(data)
    connection.close()


def ftp_session(node, control):
    """Serves one control connection."""
    enter(node)
    listener, target = None, None
    own, peer = plain(control.getsockname()[0]), plain(control.getpeername()[0])
    control.sendall(b"220 ready\r\n")
    for line in control.makefile("r", newline="\r\n"):
        command, _, argument = line.strip().partition(" ")
        if command in ("PORT", "EPRT"):
            target = parse(argument, peer)
            control.sendall(b"200 so be it\r\n")
        elif command in ("PASV", "EPSV"):
            listener = socket.create_server((own, 0), family=family(own))
            port = listener.getsockname()[1]
            answer = f"229 there (|||{port}|)" if command == "EPSV" else f"227 there ({classic(own, port)})"
            control.sendall(answer.encode() + b"\r\n")
        elif command == "RETR":
            control.sendall(b"150 it comes\r\n")
            if listener:
                data, _ = listener.accept()
            else:
                data = socket.create_connection(target, PATIENCE)
            listener = None
            threading.Thread(target=echo_all, args=(data,), daemon=True).start()
        else:
            control.sendall(b"200 nothing\r\n")


def ftpd(node):
    enter(node)
    listener = socket.create_server(("::", 21), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve():
        while True:
            control, _ = listener.accept()
            threading.Thread(target=ftp_session, args=(node, control), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


class Ftp:
    """The client's side of a control connection, and of its data connection."""

    def __init__(self, node, address, source):
        self.node = node
        self.control = socket.create_connection((address, 21), PATIENCE, (source, 0) if source else None)
        self.lines = self.control.makefile("r", newline="\r\n")
        self.listener = self.target = self.connection = None
        self.answer("220")
        # Only behind a line does the kernel's helper look for commands: the first is never one that it knows.
        self.control.sendall(b"USER anonymous\r\n")
        self.answer("200")

    def answer(self, code):
        line = self.lines.readline().strip()
        if not line.startswith(code):
            raise ValueError(f"the answer is '{line}', not {code}")
        return line

    def announce(self):
        address = self.control.getsockname()[0]
        self.listener = socket.create_server((address, 0), family=family(address))
        self.listener.settimeout(PATIENCE)
        port = self.listener.getsockname()[1]
        command = f"EPRT {extended(address, port)}" if ":" in address else f"PORT {classic(address, port)}"
        self.control.sendall(command.encode() + b"\r\n")

    def active(self):
        self.announce()
        self.answer("200")

    def passive(self):
        peer = self.control.getpeername()[0]
        self.control.sendall(b"EPSV\r\n" if ":" in peer else b"PASV\r\n")
        self.target = parse(self.answer("22"), peer)

    def data(self):
        self.control.sendall(b"RETR file\r\n")
        self.answer("150")
        if self.listener:
            self.connection, _ = self.listener.accept()
        else:
            self.connection = socket.create_connection(self.target, PATIENCE)
        self.connection.settimeout(PATIENCE)
        self.listener = None
        self.echo()

    def echo(self):
        self.connection.sendall(b"word")
        got = self.connection.recv(4096)
        if got != b"word":
            raise ValueError(f"what came back is {got}")

    def close(self):
        self.connection.close()

    def noop(self):
        self.control.sendall(b"NOOP\r\n")
        self.answer("200")


def ftp(name, node, address, source=None):
    enter(node)
    flows[name] = Ftp(node, address, source)


def of_ftp(method):
    """A command that is a method of the flow."""

    def command(name):
        enter(flows[name].node)
        method(flows[name])

    return command


# --- TFTP ----------------------------------------------------------------------


def udp_server(node, port, handle):
    """Has `handle` called for each datagram."""
    enter(node)
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))

    def serve():
        while True:
            handle(node, server, *server.recvfrom(4096))

    threading.Thread(target=serve, daemon=True).start()


def tftpd(node):
    def handle(node, _, data, address):
        enter(node)
        answering = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        answering.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        answering.settimeout(PATIENCE)
        answering.connect(address[:2])
        asked[data[2:].split(b"\0")[0].decode()] = answering

    udp_server(node, 69, handle)


def rrq(name, node, address):
    enter(node)
    client = socket.socket(family(address), socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.sendto(struct.pack("!H", 1) + name.encode() + b"\0octet\0", (address, 69))
    flows[name] = [client, None]


def answer(name):
    """Sends until it is heard: the way may just be changing."""
    client = flows[name][0]
    client.settimeout(0.3)
    for _ in range(20):
        try:
            asked[name].send(struct.pack("!HH", 3, 1) + b"file")
            _, flows[name][1] = client.recvfrom(4096)
            return
        except (TimeoutError, KeyError):
            threading.Event().wait(0.05)
    raise TimeoutError(f"{name}: no block came")


def acknowledge(name):
    client, address = flows[name]
    client.sendto(struct.pack("!HH", 4, 1), address)
    got = asked[name].recv(4096)
    if got[:2] != b"\0\4":
        raise ValueError(f"what came is {got}")


# --- SIP -----------------------------------------------------------------------


def sipd(node):
    def handle(_, server, data, address):
        text = data.decode()
        host = re.search(r"^c=IN IP[46] (\S+)", text, re.MULTILINE).group(1)
        port = re.search(r"^m=audio (\d+)", text, re.MULTILINE).group(1)
        called[re.search(r"^Call-ID: (\S+)", text, re.MULTILINE).group(1)] = (node, host, int(port))
        kept = [line for line in text.split("\r\n") if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
        answer = "\r\n".join(["SIP/2.0 180 Ringing", *kept, "Content-Length: 0", "", ""])
        server.sendto(answer.encode(), address)

    udp_server(node, 5060, handle)


def invite(name, node, address):
    enter(node)
    client = socket.socket(family(address), socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.bind(("", 5060))
    client.connect((address, 5060))
    own = client.getsockname()[0]
    media = socket.socket(family(address), socket.SOCK_DGRAM)
    media.settimeout(0.3)
    media.bind((own, 40000))
    sdp = "\r\n".join(["v=0", f"o=a 1 1 IN IP4 {own}", "s=call", f"c=IN IP4 {own}", "t=0 0", "m=audio 40000 RTP/AVP 0", ""])
    head = [
        f"INVITE sip:b@{address} SIP/2.0", f"Via: SIP/2.0/UDP {own}:5060;branch=z9hG4bK1", f"From: <sip:a@{own}>;tag=1",
        f"To: <sip:b@{address}>", f"Call-ID: {name}", "CSeq: 1 INVITE", f"Contact: <sip:a@{own}:5060>",
        "Content-Type: application/sdp", f"Content-Length: {len(sdp)}", "",
    ]  # fmt: skip
    client.send("\r\n".join([*head, sdp]).encode())
    got = client.recv(4096)
    if b"180" not in got:
        raise ValueError(f"what came is {got}")
    flows[name] = [media, client]


def rtp(name):
    """The called speaks to where it was told, until it is heard; the caller answers."""
    media = flows[name][0]
    node, host, port = called[name]
    if len(flows[name]) == 2:
        enter(node)
        speaking = socket.socket(family(host), socket.SOCK_DGRAM)
        speaking.settimeout(PATIENCE)
        speaking.connect((host, port))
        flows[name].append(speaking)
    speaking = flows[name][2]
    for _ in range(20):
        try:
            speaking.send(b"hello")
            _, address = media.recvfrom(4096)
            media.sendto(b"hello too", address)
            speaking.recv(4096)
            return
        except TimeoutError:
            pass
    raise TimeoutError(f"{name}: nothing was heard")


COMMANDS = {
    "ftpd": ftpd, "ftp": ftp, "active": of_ftp(Ftp.active), "announce": of_ftp(Ftp.announce),
    "answered": of_ftp(lambda flow: flow.answer("200")), "passive": of_ftp(Ftp.passive), "data": of_ftp(Ftp.data),
    "echo": of_ftp(Ftp.echo), "close": of_ftp(Ftp.close), "noop": of_ftp(Ftp.noop),
    "tftpd": tftpd, "rrq": rrq, "answer": answer, "acknowledge": acknowledge,
    "sipd": sipd, "invite": invite, "rtp": rtp,
}  # fmt: skip


for line in sys.stdin:
    command, *arguments = line.split()
    try:
        COMMANDS[command](*arguments)
        print("ok", flush=True)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        print(f"error {line.strip()}: {error!r}", flush=True)
