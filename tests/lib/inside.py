"""System calls of a running process, made from outside: it is stopped, made to call the kernel with its own rights, and goes on as if nothing
had been (ptrace(2), for root, on x86-64)."""
import ctypes, errno, os, platform, re, signal, struct

ATTACH, DETACH, STEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
REGS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()
CALLS = dict(read=0, close=3, connect=42, bind=49, listen=50, socket=41, accept4=288, openat=257, unlink=87, kill=62, prctl=157, sendto=44, socketpair=53,
             getsockname=51, clone=56, ftruncate=77)
possible = os.geteuid() == 0 and platform.machine() == "x86_64"
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype, libc.ptrace.argtypes = ctypes.c_long, [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(what, pid, data=None):
    if libc.ptrace(what, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {what}")


class Inside:
    """`with Inside(pid) as there: there.call("socket", 2, 1, 0)` gives what the call returned, or the name of its error."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        ptrace(ATTACH, self.pid)
        os.waitpid(self.pid, 0)
        self.kept, self.memory = self.registers(), open(f"/proc/{self.pid}/mem", "r+b", buffering=0)
        self.at, self.room = self.instruction(), self.kept["rsp"] - 8192
        return self

    def __exit__(self, *error):
        self.set(self.kept)
        self.memory.close()
        ptrace(DETACH, self.pid)

    def registers(self):
        room = (ctypes.c_ulonglong * len(REGS))()
        ptrace(GETREGS, self.pid, ctypes.cast(room, ctypes.c_void_p))
        return dict(zip(REGS, room))

    def set(self, registers):
        room = (ctypes.c_ulonglong * len(REGS))(*(registers[name] for name in REGS))
        ptrace(SETREGS, self.pid, ctypes.cast(room, ctypes.c_void_p))

    def instruction(self):
        """Where its C library calls the kernel."""
        for line in open(f"/proc/{self.pid}/maps"):
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*/libc[.-]", line)
            if found:
                low, high = (int(x, 16) for x in found.groups())
                self.memory.seek(low)
                return low + self.memory.read(high - low).index(b"\x0f\x05")
        raise OSError(errno.ENOENT, "no C library")

    def put(self, data):
        """Bytes below its stack, until this ends; their address."""
        self.room -= (len(data) + 15) & ~15
        self.memory.seek(self.room)
        self.memory.write(data)
        return self.room

    def call(self, name, *args):
        args = [self.put(a) if isinstance(a, bytes) else a & 0xffffffffffffffff for a in args] + [0] * (6 - len(args))
        self.set({**self.kept, **dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args)), "rax": CALLS[name], "orig_rax": 0xffffffffffffffff, "rip": self.at})
        ptrace(STEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != signal.SIGTRAP:
            raise OSError(errno.ECHILD, f"{name} ended it: {status}")
        back = ctypes.c_longlong(self.registers()["rax"]).value
        return back if back >= 0 else errno.errorcode.get(-back, back)


def inet(port):
    return struct.pack("=H", 2) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)


def unix(path):
    return struct.pack("=H", 1) + path.encode() + bytes(108 - len(path))
