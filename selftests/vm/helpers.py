#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Clients and servers of protocols that announce connections: FTP, TFTP, SIP, PPTP; in the network namespaces of a test.

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
    sipd NODE                       a SIP server, over UDP and TCP
    invite FLOW NODE ADDRESS [tcp [SOURCE]]
                                    call it, and announce where we want to hear it
    reinvite FLOW                   announce that again
    rtp FLOW                        have it speak, and answer
    pptpd NODE                      a PPTP server
    call FLOW NODE ADDRESS          open a control connection and call it
    gre FLOW                        send it a packet of the call, and have it answer with one
"""

import re
import socket
import struct
import threading

from commands import obey
from namespace import enter

# Seconds that anything may take: TCP retransmits once a second after a takeover.
PATIENCE = 10

flows = {}
asked = {}
called = {}
tunnels = {}


def plain(address):
    """An address as people write it, without what marks an IPv4 address in IPv6."""
    return address.removeprefix("::ffff:")


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp_server(node, port, handle):
    """Has `handle` called for each connection, in a thread of its own."""
    enter(node)
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


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
    """Returns what comes, until the end, however long that takes."""
    connection.settimeout(None)
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
    tcp_server(node, 21, lambda control: ftp_session(node, control))


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


def sip_answer(node, text):
    """Notes where a caller wants to hear the called, and answers."""
    host = re.search(r"^c=IN IP[46] (\S+)", text, re.MULTILINE).group(1)
    port = re.search(r"^m=audio (\d+)", text, re.MULTILINE).group(1)
    called[re.search(r"^Call-ID: (\S+)", text, re.MULTILINE).group(1)] = (node, host, int(port))
    kept = [line for line in text.split("\r\n") if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
    return "\r\n".join(["SIP/2.0 180 Ringing", *kept, "Content-Length: 0", "", ""]).encode()


def sip_session(node, connection):
    """Serves one TCP connection: what has a body is a call."""
    text = ""
    while data := connection.recv(4096):
        text += data.decode()
        head, end, body = text.partition("\r\n\r\n")
        length = re.search(r"^Content-Length: (\d+)", head, re.MULTILINE)
        if end and len(body) == int(length.group(1)):
            connection.sendall(sip_answer(node, text))
            text = ""


def sipd(node):
    udp_server(node, 5060, lambda _, server, data, address: server.sendto(sip_answer(node, data.decode()), address))
    tcp_server(node, 5060, lambda connection: sip_session(node, connection))


class Sip:
    """A caller: its socket for signals, and the one for what it hears."""

    # Each caller's port for what it hears.
    ports = iter(range(40000, 41000, 2))

    def __init__(self, name, address, transport, source):
        self.name, self.address, self.transport = name, address, transport
        self.signals = socket.socket(family(address), socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
        self.signals.settimeout(PATIENCE)
        self.signals.bind((source, 5060))
        self.signals.connect((address, 5060))
        self.own, self.port = self.signals.getsockname()[0], next(Sip.ports)
        self.media = socket.socket(family(address), socket.SOCK_DGRAM)
        self.media.settimeout(0.3)
        self.media.bind((self.own, self.port))
        self.speaking = None
        self.calls = 0

    def invite(self):
        own, address, via = self.own, self.address, self.transport.upper()
        self.calls += 1
        body = [
            "v=0", f"o=a 1 {self.calls} IN IP4 {own}", "s=call", f"c=IN IP4 {own}", "t=0 0", f"m=audio {self.port} RTP/AVP 0", "",
        ]  # fmt: skip
        sdp = "\r\n".join(body)
        head = [
            f"INVITE sip:b@{address} SIP/2.0", f"Via: SIP/2.0/{via} {own}:5060;branch=z9hG4bK{self.calls}",
            f"From: <sip:a@{own}>;tag=1", f"To: <sip:b@{address}>", f"Call-ID: {self.name}", f"CSeq: {self.calls} INVITE",
            f"Contact: <sip:a@{own}:5060>", "Content-Type: application/sdp", f"Content-Length: {len(sdp)}", "",
        ]  # fmt: skip
        self.signals.send("\r\n".join([*head, sdp]).encode())
        got = self.signals.recv(4096)
        if b"180" not in got or f"CSeq: {self.calls} INVITE".encode() not in got:
            raise ValueError(f"what came is {got}")


def invite(name, node, address, transport="udp", source=""):
    enter(node)
    flows[name] = Sip(name, address, transport, source)
    flows[name].invite()


def rtp(name):
    """The called speaks to where it was told, until it is heard; the caller answers."""
    flow = flows[name]
    node, host, port = called[name]
    if not flow.speaking:
        enter(node)
        flow.speaking = socket.socket(family(host), socket.SOCK_DGRAM)
        flow.speaking.settimeout(PATIENCE)
        flow.speaking.connect((host, port))
    for _ in range(20):
        try:
            flow.speaking.send(b"hello")
            _, address = flow.media.recvfrom(4096)
            flow.media.sendto(b"hello too", address)
            flow.speaking.recv(4096)
            return
        except TimeoutError:
            pass
    raise TimeoutError(f"{name}: nothing was heard")


# --- PPTP (RFC 2637) -------------------------------------------------------------

# The server's number of each call, and the client's. In this order: what is sent bears the receiver's.
PPTP_NUMBERS = (0x5000, 0x3000)


def pptp(kind, *body):
    """A control message: type, and its body as the struct that it is."""
    content = struct.pack(*body)
    return struct.pack("!HHIHH", 12 + len(content), 1, 0x1A2B3C4D, kind, 0) + content


START_REQUEST = pptp(1, "!HHIIHH128x", 0x100, 0, 1, 1, 1, 1)
START_REPLY = pptp(2, "!HBBIIHH128x", 0x100, 1, 0, 1, 1, 1, 1)


def gre_socket(node, own, peer):
    """A socket for the calls between two addresses."""
    enter(node)
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
    sock.bind((own, 0))
    sock.connect((peer, 0))
    sock.settimeout(PATIENCE)
    return sock


def gre_send(sock, number):
    """Sends a packet of the call that has this number at the receiver."""
    sock.send(struct.pack("!HHHHI", 0x3001, 0x880B, 4, number, 1) + b"ppp.")


def gre_receive(sock, number):
    """Receives the next packet, which must be of the call that has this number here."""
    got = struct.unpack("!HHHHI", sock.recv(4096)[20:32])
    if got[3] != number:
        raise ValueError(f"a packet of call {got[3]:#x}, not {number:#x}")


def pptp_session(node, control):
    """Accepts what one control connection asks for."""
    while control.recv(12, socket.MSG_WAITALL | socket.MSG_PEEK):
        length, _, _, kind, _ = struct.unpack("!HHIHH", control.recv(12, socket.MSG_WAITALL | socket.MSG_PEEK))
        message = control.recv(length, socket.MSG_WAITALL)
        if kind == 1:
            control.sendall(START_REPLY)
        elif kind == 7:
            number = struct.unpack_from("!H", message, 12)[0]
            own, peer = plain(control.getsockname()[0]), plain(control.getpeername()[0])
            tunnels[peer] = (gre_socket(node, own, peer), number)
            control.sendall(pptp(8, "!HHBBHIHHI", PPTP_NUMBERS[0], number, 1, 0, 0, 1, 1, 0, 0))


def pptpd(node):
    tcp_server(node, 1723, lambda control: pptp_session(node, control))


def call(name, node, address):
    enter(node)
    control = socket.create_connection((address, 1723), PATIENCE)
    control.sendall(START_REQUEST)
    control.recv(156, socket.MSG_WAITALL)
    control.sendall(pptp(7, "!HHIIIIHHHH128x", PPTP_NUMBERS[1], 1, 1, 1, 3, 3, 1, 0, 0, 0))
    reply = struct.unpack("!HHIHHHHBBHIHHI", control.recv(32, socket.MSG_WAITALL))
    if (reply[5], reply[6]) != PPTP_NUMBERS:
        raise ValueError(f"the answer is about the calls {reply[5]:#x} and {reply[6]:#x}")
    flows[name] = (control, gre_socket(node, control.getsockname()[0], address))


def gre(name):
    """A packet there and one back. NAT may have changed the caller's address and number, and the called knows those."""
    sock = flows[name][1]
    for _ in range(20):
        gre_send(sock, PPTP_NUMBERS[0])
        for answering, number in tunnels.values():
            answering.settimeout(0.3)
            try:
                gre_receive(answering, PPTP_NUMBERS[0])
            except TimeoutError:
                continue
            gre_send(answering, number)
            gre_receive(sock, PPTP_NUMBERS[1])
            return
    raise TimeoutError(f"{name}: nothing came through")


COMMANDS = {
    "ftpd": ftpd, "ftp": ftp, "active": of_ftp(Ftp.active), "announce": of_ftp(Ftp.announce),
    "answered": of_ftp(lambda flow: flow.answer("200")), "passive": of_ftp(Ftp.passive), "data": of_ftp(Ftp.data),
    "echo": of_ftp(Ftp.echo), "close": of_ftp(Ftp.close), "noop": of_ftp(Ftp.noop),
    "tftpd": tftpd, "rrq": rrq, "answer": answer, "acknowledge": acknowledge,
    "sipd": sipd, "invite": invite, "reinvite": lambda name: flows[name].invite(), "rtp": rtp,
    "pptpd": pptpd, "call": call, "gre": gre,
}  # fmt: skip

obey(COMMANDS)
