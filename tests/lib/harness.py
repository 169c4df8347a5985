"""Scripted endpoints, a raw client and a proxy under test, for the scenarios. Standard library only."""
import atexit, http.client, json, os, random, shutil, signal, socket, socketserver, subprocess, sys, tempfile, threading, time

BINARY = os.path.abspath(os.environ.get("UNDERSTUDY", "build/understudy"))
LIMIT = 60  # seconds for whatever a proxy does at once, on a machine that has much else to do
failed = False  # what a failed test leaves is kept


def ended(status=None):
    global failed
    failed = failed or status not in (None, 0)
    raise SystemExit(status)


def broke(*error):
    global failed
    failed = True
    sys.__excepthook__(*error)


def scratch(name=""):
    """A folder of one's own, gone when the test has passed."""
    folder, owner = tempfile.mkdtemp(prefix=f"understudy-{name}"), os.getpid()
    atexit.register(lambda: failed or os.getpid() != owner or shutil.rmtree(folder, ignore_errors=True))
    return folder


sys.exit, sys.excepthook = ended, broke


leases = []  # a test's own, until it ends


def free_port():
    """Below the range from which the system gives ports to outgoing connections, and leased for as long as this process lives:
    the UDP port of the same number, which nothing here uses, is held, so that no other test is given it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        lease = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            lease.bind(("127.0.0.1", port))
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            lease.close()
            continue
        leases.append(lease)
        return port


class Endpoint:
    """An HTTP/1.1 server; `answer(method, path, headers, body)` gives (status, headers, body or list of chunks)."""

    def __init__(self, answer):
        endpoint = self
        self.requests = []

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                while self.one():
                    pass

            def one(self):
                line = self.rfile.readline()
                if not line:
                    return False
                method, path, _ = line.decode("latin-1").split(" ", 2)
                headers = {}
                while (field := self.rfile.readline().strip()):
                    name, _, value = field.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = self.body(headers)
                endpoint.requests.append((method, path, headers, body))
                status, out, content = answer(method, path, headers, body)
                self.reply(status, out, content)
                return True

            def body(self, headers):
                if headers.get("transfer-encoding") == "chunked":
                    whole = b""
                    while (size := int(self.rfile.readline(), 16)):
                        whole += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return whole
                return self.rfile.read(int(headers.get("content-length", 0)))

            def reply(self, status, out, content):
                head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in out.items())
                if isinstance(content, list):
                    self.wfile.write((head + "transfer-encoding: chunked\r\n\r\n").encode())
                    for piece in content:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.wfile.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def infer(label):
    """An Open Inference Protocol answer: three classes, `label` wins."""
    probabilities = [0.1, 0.1, 0.1]
    probabilities[label] = 0.8
    return 200, {"content-type": "application/json"}, json.dumps(
        {"model_name": "m", "outputs": [{"name": "p", "shape": [1, 3], "datatype": "FP64", "data": probabilities}]}).encode()


OFF_LIVE = ("masker", "recorder", "shadow", "dialer", "answers", "judge", "control")


def rollup(pid):
    figures = dict.fromkeys(("Pss", "Private_Dirty", "Private_Clean"), 0)
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                name, _, rest = line.partition(":")
                if name in figures:
                    figures[name] = int(rest.split()[0]) << 10
    except OSError:  # it has just died
        pass
    return figures


def served(words, log):
    """A process that has, as a service has, a share of the CPUs of its own: its roles wait for its workers, not for a test's clients
    (sched_autogroup of sched(7): a share for each session)."""
    return subprocess.Popen(words, stderr=log, stdout=log, start_new_session=True)


class Proxy:
    def __init__(self, live, candidates, extra="", workers=2, baseline=None, field="{path: $.user, with: token, model_input: no}",
                 route="", live_keys="", candidate_keys={}, listen="", capture_keys="", prefix="/v2", patience="20s",
                 control_keys="", mirror_keys="", protocol="openinference", live_timeout="30s", run_keys="", mask="default"):
        self.folder = scratch()
        self.run = os.path.join(self.folder, "run")
        self.control = os.path.join(self.folder, "u.sock")
        self.port, self.admin = free_port(), free_port()
        where = {n: u if u.startswith("sandbox:") else f"endpoints: [{u}]" for n, u in candidates.items()}
        rows = "".join(f"      - {{name: {n}, {u}, timeout: {patience}, max_in_flight: 1024{candidate_keys.get(n, '')}}}\n"
                       for n, u in where.items())
        if baseline:
            rows += f"      - {{name: twin, endpoints: [{baseline}], role: baseline, sample: 100%, timeout: {patience}, max_in_flight: 1024}}\n"
        config = f"""version: 1
listen:
  - address: 127.0.0.1:{self.port}
{listen}workers: {workers}
control: {{socket: {self.control}, address: 127.0.0.1:{self.admin}{control_keys}}}
run: {{directory: {self.folder}, name: test{run_keys}}}
capture: {{enabled: true{capture_keys}}}
routes:
  - name: models
    match: {{path_prefix: {prefix}}}
    protocol: {protocol}
{route}    live: {{endpoints: [{live}], timeout: {live_timeout}{live_keys}}}
    mirror: {{sample: 100%, methods: [POST], mask: {mask}{mirror_keys}}}
{"    candidates:" if rows else ""}
{rows}masks:
  default:
    mode: deny
    fields: [{field}]
{extra}"""
        self.config = os.path.join(self.folder, "u.yaml")
        with open(self.config, "w") as f:
            f.write(config)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = served([BINARY, "proxy", "-c", self.config, "--run", self.run], self.log)
        atexit.register(self.end)
        deadline = time.time() + LIMIT
        while "ready on" not in open(self.log.name).read():
            if self.process.poll() is not None or time.time() > deadline:
                sys.exit("the proxy did not start:\n" + open(self.log.name).read())
            time.sleep(0.02)

    def end(self):
        """A scenario that fails leaves no proxy behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)

    def pids(self, role):
        out = []
        for pid in os.listdir("/proc"):
            try:
                words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                parent = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if words[1:3] == [b"--role", role.encode()] and parent == self.process.pid:
                out.append(int(pid))
        return out

    def ctl(self, word):
        return subprocess.run([BINARY, "ctl", "--control", self.control, word], capture_output=True, text=True, timeout=LIMIT)

    def ask(self, line):
        """The body of the answer of the control socket to "GET /stats.json", "POST /pause" and the like."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(LIMIT)
            s.connect(self.control)
            s.sendall(f"{line} HTTP/1.1\r\nHost: u\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            return s.makefile("rb").read().partition(b"\r\n\r\n")[2]

    def copies_take(self):
        """Bytes: all of the roles off the live path, and of workers what they share, the rings among it; and MiB of each role's own."""
        total, own = 0, {}
        for role in (*OFF_LIVE, "worker"):
            for pid in self.pids(role):
                f = rollup(pid)
                private = f["Private_Dirty"] + f["Private_Clean"]
                total += f["Pss"] - (private if role == "worker" else 0)
                if role != "worker":
                    own[role] = f["Private_Dirty"] >> 20
        return total, own

    def ceiling(self):
        """What `check` prints about this configuration, as JSON."""
        done = subprocess.run([BINARY, "check", "-c", self.config, "--format", "json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def summary(self):
        with open(os.path.join(self.run, "summary.json")) as f:
            return json.load(f)

    def settle(self, seen, seconds=60):
        """Wait until that many exchanges are seen and none is open."""
        deadline = time.time() + seconds
        while time.time() < deadline:
            counts = self.summary()["counts"]
            if counts["seen"] >= seen and counts["open"] == 0:
                break
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        return status, open(self.log.name).read()


def total(group):
    return sum(group.values()) if isinstance(group, dict) else group


def adds_up(counts):
    parts = sum(total(counts.get(k, 0)) for k in ("compared", "sampled_out", "not_compared", "excluded", "shed", "open"))
    return counts["seen"] == parts


def alive(pid):
    """Neither gone nor waiting for its parent to hear of its end."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def check(condition, sentence):
    if not condition:
        sys.exit(f"FAILED: {sentence}")


def eventually(condition, sentence, seconds=LIMIT):
    until = time.time() + seconds
    while not condition():
        check(time.time() < until, sentence)
        time.sleep(0.02)
