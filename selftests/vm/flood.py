#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Opens UDP flows as fast as it can, all from one CPU.

usage: flood.py ADDRESS COUNT [FIRST]   (one flow to each of COUNT ports from FIRST on, from one port of its own)
"""

import os
import socket
import sys

os.sched_setaffinity(0, {0})
address, count = sys.argv[1], int(sys.argv[2])
first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(first, first + count):
    try:
        sock.sendto(b'', (address, 1 + port % 65535))
    except OSError:
        # The firewall went away meanwhile: tests do that.
        pass
