"""Runs a program and fails one of its system calls on files below a folder.

    failing_calls.py FOLDER PROGRAM [ARGUMENT…]

Reads lines from standard input. `arm N ERRNO` answers `armed`, counts from the
next call on and fails the N-th; `disarm` ends that and answers `hit` and what
was failed, or `missed` and how many calls there were. `swallow` answers
`swallowing`, and from then on no sync is done and each is said to be done. The
program's standard output is passed on before the first answer.

The kernel stops each call and asks (seccomp user notification), so the count
is one for all threads, and neither the program nor its libraries are changed.
"""

import array
import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import sys
import threading

# Calls that change files, or that read them by a descriptor.
CALLS = {
    "x86_64": {
        0: "read", 1: "write", 17: "pread64", 18: "pwrite64", 20: "writev", 74: "fsync",
        75: "fdatasync", 77: "ftruncate", 82: "rename", 83: "mkdir", 86: "link", 87: "unlink",
        90: "chmod", 91: "fchmod", 257: "openat", 258: "mkdirat", 263: "unlinkat",
        264: "renameat", 265: "linkat", 285: "fallocate", 306: "syncfs", 316: "renameat2",
    },
    "aarch64": {
        34: "mkdirat", 35: "unlinkat", 37: "linkat", 38: "renameat", 46: "ftruncate",
        47: "fallocate", 52: "fchmod", 53: "fchmodat", 56: "openat", 63: "read", 64: "write",
        66: "writev", 67: "pread64", 68: "pwrite64", 82: "fsync", 83: "fdatasync",
        267: "syncfs", 276: "renameat2",
    },
}[platform.machine()]
# Where the path is, of calls that have one: the last of two is what is made.
PATH_ARGUMENT = {
    "rename": 1, "mkdir": 0, "link": 1, "unlink": 0, "chmod": 0, "openat": 1, "mkdirat": 1,
    "unlinkat": 1, "renameat": 3, "linkat": 3, "renameat2": 3, "fchmodat": 1,
}
SYNCS = ("fsync", "fdatasync", "syncfs")
SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
SET_PARENT_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38

libc = ctypes.CDLL(None, use_errno=True)


def install_filter():
    """Asks for the calls above from here on; gives the descriptor that is asked."""
    load_number, equal, give = 0x20, 0x15, 0x06
    numbers = list(CALLS)
    code = [(load_number, 0, 0, 0)]
    code += [(equal, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    code += [(give, 0, 0, ALLOW), (give, 0, 0, ASK)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    head = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text))
    program = ctypes.create_string_buffer(head)
    libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = libc.syscall(SECCOMP, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program))
    if listener < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    return listener


def start(words):
    """The process id of the program, and the descriptor that is asked about it."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        listener = install_filter()
        sent = array.array("i", [listener])
        theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
        os.close(listener)
        # Not the lines that are meant for the supervisor.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(words[0], words)
    theirs.close()
    _, ancillary, _, _ = ours.recvmsg(1, 64)
    if not ancillary:
        os.waitpid(child, 0)
        sys.exit("the filter could not be installed")
    return child, array.array("i", ancillary[0][2])[0]


class Count:
    """Which call is to fail; shared by the two threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.armed = self.swallows = False
        self.seen, self.wanted, self.errno, self.hit = 0, 0, 0, None

    def command(self, line):
        word, *rest = line.split()
        with self.lock:
            if word == "arm":
                self.wanted, self.errno = int(rest[0]), getattr(errno, rest[1])
                self.seen, self.hit, self.armed = 0, None, True
                print("armed", flush=True)
            elif word == "swallow":
                self.swallows = True
                print("swallowing", flush=True)
            else:
                self.armed = False
                print(f"hit {self.hit}" if self.hit else f"missed {self.seen}", flush=True)

    def next(self, what):
        """The error that this call gets, or 0."""
        with self.lock:
            if not self.armed:
                return 0
            self.seen += 1
            if self.seen != self.wanted:
                return 0
            self.hit = what
            return self.errno


def path_of(process, name, arguments):
    """The file that a call is about; None when it is no file."""
    try:
        index = PATH_ARGUMENT.get(name)
        if index is None:
            return os.readlink(f"/proc/{process}/fd/{arguments[0]}")
        with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
            memory.seek(arguments[index])
            path = memory.read(4096).split(b"\0")[0].decode()
        if not path.startswith("/") and name.endswith("at") and arguments[index - 1] < 1 << 31:
            path = os.readlink(f"/proc/{process}/fd/{arguments[index - 1]}") + "/" + path
        return path
    except (OSError, ValueError, OverflowError):
        return None


def main():
    # Itself too: a folder that is synced makes names durable.
    folder, words = os.path.realpath(sys.argv[1]) + "/", sys.argv[2:]
    child, listener = start(words)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    count = Count()

    def read_commands():
        for line in sys.stdin:
            count.command(line)

    threading.Thread(target=read_commands, daemon=True).start()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        if any(event & select.POLLHUP for _, event in poll.poll()):
            break
        try:
            asked = bytearray(80)
            fcntl.ioctl(listener, RECEIVE, asked)
            ident, process, _, number, _, _, *arguments = struct.unpack("QIIiIQ6Q", asked)
            name = CALLS[number]
            path = path_of(process, name, arguments)
            inside = path is not None and f"{path}/".startswith(folder)
            error = count.next(f"{name} {path[len(folder):]}") if inside else 0
            is_swallowed = inside and count.swallows and name in SYNCS
            done = 0 if error or is_swallowed else CONTINUE
            answer = struct.pack("QqiI", ident, 0, -error, done)
            fcntl.ioctl(listener, SEND, answer)
        except OSError as error:
            # The caller was interrupted or is gone.
            if error.errno not in (errno.ENOENT, errno.EINTR):
                raise
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)


main()
