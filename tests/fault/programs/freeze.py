"""Stops one thread of a process, and no other, until its own standard input ends: freeze.py TID

A signal stops a whole process; a tracer can stop a thread. Needs to be allowed to trace it (root, or a child of its own).
"""

import ctypes
import os
import sys

SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) != 0:
        sys.exit(f"freeze.py: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    thread = int(sys.argv[1])
    ptrace(SEIZE, thread)
    ptrace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    print("frozen", flush=True)
    sys.stdin.read()
    ptrace(DETACH, thread)
