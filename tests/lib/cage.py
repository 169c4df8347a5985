"""What runs inside a sandbox for the scenarios: a small model server, and probes for a way out."""
import json, os, shutil, socket, subprocess, sys, tempfile
from harness import check, scratch

DEVICE = f"/dev/nvidia-understudy-{os.getpid()}"  # a graphics device, to be made by who may

SERVE = """
import json, os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while (line := self.rfile.readline()):
            length = 0
            while (field := self.rfile.readline().strip()):
                name, _, value = field.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            body = json.dumps({"model_name": "m", "outputs": [{"name": "p", "shape": [1, 3], "datatype": "FP64", "data": [0.8, 0.1, 0.1]}]}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
where = os.environ.get("UNDERSTUDY_SOCKET")
base = socketserver.ThreadingUnixStreamServer if where else socketserver.ThreadingTCPServer
base.request_queue_size = 256
server = base(where or ("127.0.0.1", int(os.environ["PORT"])), Handler)
print("serving", flush=True)
server.serve_forever()
"""

# Each must fail; HOST says where things of the host are.
PROBES = r"""
import ctypes, errno, fcntl, json, os, resource, signal, socket
descriptors = sorted(int(f) for f in os.listdir("/proc/self/fd"))
with open("host.json") as f:
    HOST = json.load(f)
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    if libc.syscall(number, *args) == -1:
        raise OSError(ctypes.get_errno(), "denied")
def connect(family, kind, where):
    s = socket.socket(family, kind)
    s.settimeout(2)
    s.connect(where)
def made(name, target):
    # A link under the one name that the relay and the host know, or beside it: it leads nowhere but inside.
    path = f"/run/understudy/{name}"
    os.symlink(target, path)
    try:
        connect(socket.AF_UNIX, socket.SOCK_STREAM, path)
    finally:
        os.unlink(path)
def in_child(act):
    # For what may end the process: only a child that ends as it says has done it.
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        raise OSError(errno.EPERM, "denied")
def other_table_of_calls():
    # getpid() of the 32-bit table.
    prototype = ctypes.CFUNCTYPE(ctypes.c_int)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    at = libc.mmap(None, 4096, 7, 0x22, -1, 0)
    ctypes.memmove(at, b"\xb8\x14\0\0\0\xcd\x80\xc3", 8)
    if prototype(at)() <= 0:
        raise OSError(errno.EPERM, "denied")
def limit(what):
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
def outer(value):
    # A score that was raised for us cannot be lowered again.
    with open("/proc/self/oom_score_adj", "w") as f:
        f.write(value)
relay = next(p for p in os.listdir("/proc") if p.isdigit() and b"--inside" in open(f"/proc/{p}/cmdline", "rb").read().split(b"\0")[1:2])
probes = dict(
    host_loopback=lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", HOST["port"])),
    host_loopback_v6=lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", HOST["port"])),
    outside=lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)),
    datagram=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    abstract_socket=lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + HOST["abstract"]),
    path_socket=lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, HOST["socket"]),
    raw_socket=lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    packet_socket=lambda: socket.socket(17, socket.SOCK_RAW),
    vsock=lambda: socket.socket(40, socket.SOCK_STREAM),
    host_file=lambda: open(HOST["secret"]),
    host_folder=lambda: os.listdir(os.path.dirname(HOST["socket"])),
    shadow=lambda: open("/etc/shadow"),
    write_root=lambda: open("/x", "w"),
    write_usr=lambda: open("/usr/x", "w"),
    write_weights=lambda: open("x", "w"),
    write_relay=lambda: open("/sandbox", "w"),
    write_proc=lambda: open("/proc/sys/kernel/core_pattern", "w"),
    sysrq=lambda: open("/proc/sysrq-trigger", "w").write("h"),
    kernel_memory=lambda: open("/proc/kcore", "rb").read(1),
    cgroups=lambda: os.listdir("/sys/fs/cgroup"),
    host_pid=lambda: os.kill(HOST["pid"], 0),
    host_proc=lambda: open(f"/proc/{HOST['pid']}/environ"),
    host_root=lambda: open(f"/proc/{HOST['pid']}/root" + HOST["secret"]),
    host_kill=lambda: os.kill(HOST["pid"], signal.SIGCONT),
    init_kill=lambda: os.kill(1, signal.SIGKILL) or os.stat("/proc/1") and call(-1),
    all_kill=lambda: os.killpg(HOST["pid"], 0),
    pidfd=lambda: os.pidfd_open(HOST["pid"]),
    host_shared_memory=lambda: open(HOST["shared"]),
    write_dev=lambda: open("/dev/x", "w"),
    write_shell=lambda: os.chmod("/usr/bin/env", 0o777),
    own_usr=lambda: os.chown("/usr", 65534, 65534),
    write_etc=lambda: open("/etc/x", "w"),
    write_sys=lambda: open("/sys/kernel/mm/ksm/run", "w"),
    sys=lambda: os.listdir("/sys/class"),
    debug=lambda: os.listdir("/sys/kernel/debug"),
    link_to_socket=lambda: made("a.sock", HOST["socket"]),
    link_by_folder=lambda: made("b.sock", "../../../.." + HOST["socket"]),
    link_by_root=lambda: made("c.sock", "/proc/1/root" + HOST["socket"]),
    link_by_relay=lambda: made("d.sock", f"/proc/{relay}/cwd/" + HOST["socket"]),
    relay_root=lambda: os.listdir(f"/proc/{relay}/root"),
    relay_environment=lambda: open(f"/proc/{relay}/environ", "rb").read(),
    init_words=lambda: b"TOKEN" in open("/proc/1/cmdline", "rb").read() or call(-1),
    kernel_log=lambda: call(103, 3, ctypes.create_string_buffer(64), 64),
    kernel_messages=lambda: open("/proc/kmsg").read(1),
    host_sysctl=lambda: open("/proc/sys/kernel/printk", "w"),
    init_environment=lambda: b"TOKEN=" in open("/proc/1/environ", "rb").read() or call(-1),
    init_root=lambda: open("/proc/1/root" + HOST["secret"]),
    relay_descriptors=lambda: os.listdir(f"/proc/{relay}/fd"),
    relay_memory=lambda: open(f"/proc/{relay}/mem", "rb"),
    inherited=lambda: os.fstat(HOST["descriptor"]),
    ptrace=lambda: call(101, 16, int(relay), 0, 0),
    read_neighbour=lambda: call(310, int(relay), 0, 0, 0, 0, 0),
    steal_descriptor=lambda: call(438, os.pidfd_open(int(relay)), 3, 0),
    mount=lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0),
    remount=lambda: call(165, 0, b"/", 0, 32, 0),
    unmount=lambda: call(166, b"/usr", 2),
    pivot_root=lambda: call(155, b"/tmp", b"/tmp"),
    chroot=lambda: os.chroot("/tmp"),
    user_namespace=lambda: call(272, 0x10000000),
    clone_namespace=lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0),
    clone3=lambda: call(435, 0, 0),
    other_namespace=lambda: call(308, os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    keyctl=lambda: call(250, 0, -3, 0, 0, 0),
    add_key=lambda: call(248, b"user", b"x", b"y", 1, -3),
    bpf=lambda: call(321, 0, 0, 0),
    perf=lambda: call(298, 0, 0, -1, -1, 0),
    uring=lambda: call(425, 8, 0),
    userfaultfd=lambda: call(323, 0),
    memory_advice=lambda: call(440, 0, 0, 0, 0, 0),
    compare_descriptors=lambda: call(312, os.getpid(), int(relay), 0, 0, 0),
    handle=lambda: call(303, -100, b"/usr", ctypes.create_string_buffer(b"\x80\0\0\0" + bytes(136)), ctypes.byref(ctypes.c_int()), 0),
    by_handle=lambda: call(304, 3, ctypes.create_string_buffer(144), 0),
    new_mount=lambda: call(430, b"tmpfs", 0),
    open_tree=lambda: call(428, -100, b"/", 1),
    move_mount=lambda: call(429, -100, b"/usr", -100, b"/tmp", 0),
    personality=lambda: call(135, 0x0040000),
    other_calls=lambda: in_child(other_table_of_calls),
    unshare_network=lambda: call(272, 0x40000000),
    unshare_mounts=lambda: call(272, 0x00020000),
    clone_network=lambda: call(56, 0x40000000 | 17, 0, 0, 0, 0),
    clone_pids=lambda: call(56, 0x20000000 | 17, 0, 0, 0, 0),
    terminal_words=lambda: fcntl.ioctl(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY), 0x5412, b"x"),
    terminal_words_64=lambda: call(16, os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY), ctypes.c_ulong(1 << 32 | 0x5412), b"x"),
    netlink_route=lambda: socket.if_indextoname(2),
    crypto_socket=lambda: socket.socket(38, socket.SOCK_SEQPACKET),
    bluetooth_socket=lambda: socket.socket(31, socket.SOCK_RAW, 1),
    xdp_socket=lambda: socket.socket(44, socket.SOCK_RAW),
    key_socket=lambda: socket.socket(15, socket.SOCK_RAW, 2),
    raw_socket_v6=lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58),
    raw_socket_flags=lambda: call(41, 2, 3 | 0o2000000, 1),
    outside_v6=lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80)),
    datagram_host=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.255", 1)),
    real_time=lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    locked_memory=lambda: limit(resource.RLIMIT_MEMLOCK),
    core_dumps=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)),
    kept_longer=lambda: outer("-1000"),
    swap=lambda: call(167, b"/tmp/x", 0),
    accounting=lambda: call(163, b"/tmp/x"),
    kernel=lambda: call(246, 0, 0, 0, 0),
    restart=lambda: call(169, 0xfee1dead, 672274793, 0x89abcdef, 0),
    ports=lambda: call(172, 3),
    module=lambda: call(175, 0, 0, b""),
    device=lambda: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3)),
    memory_device=lambda: open("/dev/mem"),
    kvm=lambda: open("/dev/kvm"),
    disks=lambda: open("/dev/sda", "rb") if os.path.exists("/dev/sda") else open("/dev/vda", "rb"),
    terminal=lambda: open("/dev/tty"),
    become_root=lambda: os.setuid(0),
    become_somebody=lambda: os.setresuid(1, 1, 1),
    join_groups=lambda: os.setgroups([0]),
    fuse=lambda: open("/dev/fuse"),
    loop=lambda: open("/dev/loop-control"),
    tunnel=lambda: open("/dev/net/tun"),
    console=lambda: open("/dev/console", "w"),
    graphics=lambda: open(HOST["device"]),
    hostname=lambda: socket.sethostname("x"),
    clock=lambda: __import__("time").clock_settime(0, 0),
    priority=lambda: os.nice(-1),
)
out = dict()
for name, probe in probes.items():
    try:
        probe()
        out[name] = "POSSIBLE"
    except (OSError, AttributeError, ValueError) as e:
        out[name] = errno.errorcode.get(getattr(e, "errno", 0), str(e))
status = dict(l.split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
facts = dict(
    possible=[name for name, what in out.items() if what == "POSSIBLE"],
    tried=len(out),
    descriptors=descriptors,
    pids=sum(p.isdigit() for p in os.listdir("/proc")),
    environment=sorted(os.environ),
    networks=sorted(l.split(":")[0].strip() for l in open("/proc/net/dev") if ":" in l),
    writable=[m.split()[1] for m in open("/proc/self/mounts") if m.split()[3].startswith("rw") and os.path.isdir(m.split()[1]) and not m.split()[1].startswith("/proc")],
    capabilities=[int(status["Cap" + c], 16) for c in ("Eff", "Prm", "Inh", "Bnd", "Amb")],
    confined=[status["NoNewPrivs"].strip(), status["Seccomp"].strip()],
    groups=status["Groups"].split(),
    hostname=socket.gethostname(),
)
for name, what in facts.items():
    print("fact", json.dumps({name: what}), flush=True)
"""


def needs_bubblewrap():
    if not shutil.which("bwrap") or subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True).returncode:
        print("skipped: bubblewrap is missing, or may not make namespaces here")
        sys.exit(0)


class Cage:
    """A folder of weights with serve.py and probes.py, and things of the host that the probes look for."""

    def __init__(self):
        self.folder = scratch("cage-")
        os.chmod(self.folder, 0o755)
        self.weights, self.private = os.path.join(self.folder, "weights"), os.path.join(self.folder, "private")
        for place in (self.weights, self.private):
            os.mkdir(place)
        self.script("serve.py", SERVE)
        self.script("probes.py", PROBES)
        secret, path, name = os.path.join(self.private, "secret"), os.path.join(self.private, "s.sock"), f"understudy-{os.getpid()}"
        with open(secret, "w") as f:
            f.write("host")
        tcp, abstract, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        abstract.bind("\0" + name)
        unix.bind(path)
        os.chmod(path, 0o777)
        self.descriptor = os.dup2(os.open(secret, os.O_RDONLY), 77)
        self.kept = tcp, abstract, unix
        for s in self.kept:
            s.listen()
        shared = tempfile.NamedTemporaryFile(dir="/dev/shm")
        self.kept += (shared,)
        self.script("host.json", json.dumps({"shared": shared.name, "device": DEVICE, "port": tcp.getsockname()[1], "abstract": name, "socket": path, "secret": secret,
                                             "pid": os.getpid(), "descriptor": self.descriptor}))

    def script(self, name, text):
        with open(os.path.join(self.weights, name), "w") as f:
            f.write(text)


def check_facts(lines):
    """`lines` hold what probes.py printed."""
    found = {}
    for line in lines:
        if line.startswith("fact "):
            found.update(json.loads(line[5:]))
    check(found.get("tried", 0) > 110 and not found["possible"], f"denied: {found}")
    check(set(found["descriptors"]) <= {0, 1, 2, 3}, f"nothing is inherited (3 reads this list): {found['descriptors']}")
    check(found["pids"] <= 4, f"it sees itself, the relay and who reaps: {found['pids']}")
    check(not {"TOKEN", "USER", "SSH_AUTH_SOCK", "UNDERSTUDY_FORMER", "NOTIFY_SOCKET"} & set(found["environment"]), f"nothing of our environment: {found['environment']}")
    check(found["networks"] == ["lo"], f"a loopback of its own: {found['networks']}")
    check(set(found["writable"]) <= {"/tmp", "/run", "/dev/shm", "/dev/pts"}, f"what it may write is private: {found['writable']}")
    check(not any(found["capabilities"]) and found["confined"] == ["1", "2"], f"no capability, a filter: {found}")
    check(found["hostname"] == "candidate", f"a name of its own: {found}")
