# SPDX-License-Identifier: GPL-2.0
"""The nodes of a test, which are network namespaces."""

import os


def enter(node):
    """Has what this thread opens next belong to the namespace of `node`."""
    handle = os.open(f"/run/netns/{node}", os.O_RDONLY)
    os.setns(handle, os.CLONE_NEWNET)
    os.close(handle)
