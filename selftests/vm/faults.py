#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the allocations of one system call fail, one after the other.

usage: faults.py write FILE TEXT BEFORE    writes TEXT to FILE, and BEFORE after each time that it was taken
       faults.py namespace                 makes a network namespace, which ends with its process
       faults.py load FILE SAMPLES         loads a module, with SAMPLES of its allocations only; without the stack filter there are many

Prints how often an allocation failed, and what became of the call then: `41 failed: ENOMEM 40, OK 1`. Fails when the call fails
without a fault. Which allocations count is said in /sys/kernel/debug/failslab and fail_page_alloc.
"""

import collections
import ctypes
import errno
import os
import sys

FAILURES_MAX = 2000
COUNTER = 1000000
INIT_MODULE, DELETE_MODULE = 175, 176

libc = ctypes.CDLL(None, use_errno=True)


def system_call(number, *arguments):
    """Makes a system call that Python has no name for."""
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "system call")


def attempt(call, nth):
    """Has the nth allocation of `call` fail. Returns its errno's name or OK, and how many allocations were still to come."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        counter = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
        # What the first call of anything allocates is no part of the call.
        number, result = b"%d" % nth, "OK"
        os.pread(counter, 16, 0)
        os.write(counter, number)
        try:
            call()
        except OSError as error:
            result = errno.errorcode[error.errno]
        left = os.pread(counter, 16, 0).decode().strip()
        os.pwrite(counter, b"0", 0)
        os.write(writer, f"{result} {left}".encode())
        os._exit(0)
    os.close(writer)
    result, left = os.read(reader, 64).decode().split()
    os.close(reader)
    os.waitpid(child, 0)
    return result, int(left)


def run(call, undo, numbers):
    """Tries `call` with each of these allocations failing, and ends with the first number that it does not reach."""
    results = collections.Counter()
    for nth in numbers:
        result, left = attempt(call, nth)
        if result == "OK":
            undo()
        if left:
            if result != "OK":
                sys.exit(f"fails without a fault: {result}")
            break
        results[result] += 1
    told = ", ".join(f"{name} {count}" for name, count in sorted(results.items()))
    print(f"{results.total()} failed: {told}")


def main():
    """Does what the command line says."""
    what, arguments = sys.argv[1], sys.argv[2:]
    every = range(1, FAILURES_MAX)
    if what == "write":
        handle = os.open(arguments[0], os.O_WRONLY)
        run(lambda: os.pwrite(handle, arguments[1].encode() + b"\n", 0), lambda: os.pwrite(handle, arguments[2].encode() + b"\n", 0), every)
    elif what == "namespace":
        run(lambda: os.unshare(os.CLONE_NEWNET), lambda: None, every)
    elif what == "load":
        with open(arguments[0], "rb") as file:
            image = file.read()
        name = ctypes.c_char_p(os.path.basename(arguments[0]).removesuffix(".ko").encode())
        # Not finit_module(2): the kernel's reading of a file reports a failed allocation with a trace.
        load = lambda: system_call(INIT_MODULE, image, ctypes.c_ulong(len(image)), ctypes.c_char_p(b""))
        unload = lambda: system_call(DELETE_MODULE, name, os.O_NONBLOCK)
        result, left = attempt(load, COUNTER)
        if result != "OK":
            sys.exit(f"fails without a fault: {result}")
        unload()
        total, samples = COUNTER - left, int(arguments[1])
        # The module's own part is at the end.
        run(load, unload, sorted({total - total * i * i // (samples * samples) for i in range(samples)}))


main()
