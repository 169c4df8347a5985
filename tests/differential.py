#!/usr/bin/env python3
"""Does everything that Understudy lets through mean one thing? Mutated requests go through it to node, to nginx and to
HAProxy (each before node); what they understood is held against a strict reading of what was sent.
    tests/differential.py [COUNT [SEED]]        without COUNT: 15 seconds"""
import hashlib, json, os, random, re, shutil, socket, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import BINARY, check, free_port

NODE = """
let seen = 0;
const server = require('http').createServer({maxHeaderSize: 1 << 17}, (req, res) => {
  if (req.url === '/differential-count') return res.end(String(seen));
  const hash = require('crypto').createHash('sha1'); let length = 0;
  req.on('data', d => { length += d.length; hash.update(d); });
  req.on('end', () => { seen++; res.setHeader('x-echo', JSON.stringify([req.method, req.url, req.headers.host, length, hash.digest('hex')])); res.end(); });
});
server.keepAliveTimeout = 600000;
server.listen(+process.argv[1], '127.0.0.1');
"""
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SINGLE = (b"host", b"content-type", b"authorization")


class Refused(Exception):
    pass


def need(condition):
    if not condition:
        raise Refused


def line(data):
    """A line ended by CR LF, without any other CR, LF or NUL."""
    end = data.find(b"\r\n")
    need(end >= 0 and b"\n" not in data[:end] and b"\r" not in data[:end] and b"\0" not in data[:end])
    return data[:end], data[end + 2:]


def fields_of(data):
    fields = []
    while True:
        one, data = line(data)
        if not one:
            return fields, data
        m = re.fullmatch(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*", one)
        need(m)
        fields.append((m[1].lower(), m[2]))


def chunks(data):
    body = b""
    while True:
        one, data = line(data)
        m = re.fullmatch(rb"([0-9A-Fa-f]{1,16})((?:;[ \t]*" + TOKEN + rb"(?:=(?:" + TOKEN + rb'|"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*"))?)*)', one)
        need(m)
        size = int(m[1], 16)
        if not size:
            return body, fields_of(data)[1]
        need(len(data) >= size + 2 and data[size:size + 2] == b"\r\n")
        body, data = body + data[:size], data[size + 2:]


def read_one(data):
    """What a strict reader makes of the first request: [method, target, host, length, hash], the rest, and whether more may follow."""
    for i in range(2):
        if data.startswith(b"\r\n"):
            data = data[2:]
    start, data = line(data)
    m = re.fullmatch(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])", start)
    need(m and b"#" not in m[2] and len(m[1]) <= 32)
    method, target, minor = m[1], m[2], m[3]
    fields, data = fields_of(data)
    values = lambda name: [v for n, v in fields if n == name]
    need(all(len(values(n)) < 2 for n in SINGLE))
    host = values(b"host")
    need(host or minor == b"0")
    host = host[0] if host else b""
    authority = rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    need(minor == b"0" and not host or re.fullmatch(authority, host))
    m = re.fullmatch(rb"(?i:https?)://(" + authority + rb")(/[\x21-\x7e]*)?", target)
    if m:
        host, target = m[1], m[2] or (b"*" if method == b"OPTIONS" else b"/")
    need(target.startswith(b"/") or target == b"*" and method == b"OPTIONS")
    need(method != b"CONNECT")
    length, coding = values(b"content-length"), values(b"transfer-encoding")
    need(len(length) + len(coding) < 2)
    body = b""
    if coding:
        need(minor == b"1" and coding[0].lower() == b"chunked")
        body, data = chunks(data)
    elif length:
        need(re.fullmatch(rb"[0-9]+", length[0]) and int(length[0]) < 1 << 63)
        need(len(data) >= int(length[0]))
        body, data = data[:int(length[0])], data[int(length[0]):]
    tokens = [t.strip().lower() for v in values(b"connection") for t in v.split(b",")]
    stays = b"close" not in tokens and (minor == b"1" or b"keep-alive" in tokens)
    text = lambda b: b.decode("latin-1")
    return [text(method), text(target), text(host), len(body), hashlib.sha1(body).hexdigest()], data, stays


def read_all(data):
    out, stays = [], True
    while data and stays:
        try:
            one, data, stays = read_one(data)
        except Refused:
            break
        out.append(one)
    return out


class Grammar:
    METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"get", b"PURGE", b"M-SEARCH", b"CONNECT", b"TRACE", b"G\tT", b""]
    TARGETS = [b"/", b"/a", b"/a/../b", b"/%2e%2e/a", b"/a%2fb", b"//a", b"/a//b", b"/a?b=c", b"/a?b=/../c", b"/%00", b"/a;b=c", b"/\\a", b"*", b"a", b"/a#b",
               b"http://b/a", b"http://b", b"HTTP://b:80/a", b"https://b/", b"http://u@b/", b"http:///a", b"http://b?x", b"/a b", b"/\x80", b"/a%zz", b"/./a"]
    VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b"HTTP/01.1", b"", b"HTTP/1.1 "]
    ENDS = [b"\r\n"] * 60 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\r\n", b" \r\n", b"\t\r\n"]
    SEPARATORS = [b": "] * 20 + [b":", b":  ", b":\t", b" : ", b" :", b"\t: ", b":\r\n ", b"\0: ", b": \x0b", b":\x0c"]
    NAMES = [b"Content-Length", b"content-length", b"Content_Length", b"Transfer-Encoding", b"transfer-Encoding", b"Transfer_Encoding", b"Host", b"Connection",
             b"X-A", b"Content-Type", b"Authorization", b"TE", b"Trailer", b"Upgrade", b"Keep-Alive", b"Proxy-Connection", b"X-Forwarded-For", b"Forwarded",
             b"X-Request-Id", b"", b"X A", b"X\x80", b"X-B(", b"Cookie", b"Content-Length\x00", b" Content-Length", b"Xontent-Length"]
    LENGTHS = [b"0", b"5", b"05", b"+5", b"-5", b"5,5", b"5, 5", b"0x5", b"5 5", b"5;", b"", b"4", b"6", b"18446744073709551621", b"9223372036854775808", b"5_0", b"\xd9\xa5"]
    CODINGS = [b"chunked", b"Chunked", b"chunked, chunked", b"gzip, chunked", b"chunked, identity", b"identity", b"xchunked", b",chunked", b"chunked,", b"\x0bchunked",
               b"chunked;q=1", b"\"chunked\"", b"chunke", b""]
    HOSTS = [b"a", b"a:80", b"a,b", b"", b"a b", b"[::1]", b"a@b", b"A.example", b"a:x", b"a/b"]
    NOMINATED = [b"close", b"keep-alive", b"X-A", b"Content-Length", b"Host", b"Transfer-Encoding", b"upgrade", b"close, X-A", b"Cookie", b"te", b""]
    SIZES = [b"%x", b"0%x", b"%x;a=b", b"%x;a=\"b;c\"", b"%x ;a", b" %x", b"%x ", b"0x%x", b"+%x", b"%x;", b"%x;a=\"", b"%x\t", b"-%x", b"%x;a\rb", b"0000000000000000%x"]
    INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

    def __init__(self, seed):
        self.r = random.Random(seed)

    def rare(self, usual, others, chance=0.12):
        return self.r.choice(others) if self.r.random() < chance else usual

    def value(self, name):
        low = name.strip().lower().replace(b"_", b"-")
        table = {b"content-length": self.LENGTHS, b"transfer-encoding": self.CODINGS, b"host": self.HOSTS, b"connection": self.NOMINATED}.get(low)
        return self.r.choice(table) if table else self.r.choice([b"v", b"", b"a,b", b"\xff", b"a\x01", b"trailers", b"h2c", b"5"])

    def field(self, name, value):
        return name + self.rare(b": ", self.SEPARATORS, 0.03) + value + self.rare(b"\r\n", self.ENDS, 0.03)

    def body(self, chunked):
        inner = self.rare(b"hello", [self.INNER, b"", b"0\r\n\r\n", b"hell", b"hello!"], 0.3)
        if not chunked:
            return inner
        out = b""
        for piece in (inner, b"x" * self.r.choice([1, 10, 255])):
            if piece:
                out += (self.rare(b"%x", self.SIZES, 0.1) % len(piece)) + self.rare(b"\r\n", self.ENDS, 0.04) + piece + self.rare(b"\r\n", self.ENDS + [b"", b"XX"], 0.04)
        out += self.rare(b"0", [b"00", b"0;x", b"-0", b"", b"0 "], 0.06) + self.rare(b"\r\n", self.ENDS, 0.03)
        if self.r.random() < 0.15:
            out += self.field(self.r.choice(self.NAMES), b"t")
        return out + self.rare(b"\r\n", self.ENDS + [b""], 0.04)

    def request(self):
        r = self.r
        kind = r.choice(["none", "length", "chunked"])
        fields = [self.field(self.rare(b"Host", [b"host", b"HOST"]), self.rare(b"a", self.HOSTS, 0.05))] if r.random() > 0.03 else []
        body = b""
        if kind != "none":
            body = self.body(kind == "chunked")
            fields.append(self.field(b"Content-Length", self.rare(b"%d" % len(body), self.LENGTHS, 0.1)) if kind == "length"
                          else self.field(b"Transfer-Encoding", self.rare(b"chunked", self.CODINGS, 0.1)))
        while r.random() < 0.35:
            name = r.choice(self.NAMES)
            fields.insert(r.randrange(len(fields) + 1), self.field(name, self.value(name)))
        start = self.rare(b" ", [b"  ", b"\t", b""], 0.02).join([self.rare(r.choice(self.METHODS[:3]), self.METHODS), self.rare(b"/a", self.TARGETS, 0.3),
                                                                self.rare(b"HTTP/1.1", self.VERSIONS)])
        out = self.rare(b"", [b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n", b"\n", b" "], 0.02) + start + self.rare(b"\r\n", self.ENDS, 0.02) + b"".join(fields) + self.rare(b"\r\n", self.ENDS, 0.02) + body
        if r.random() < 0.05:
            at = r.randrange(len(out))
            out = out[:at] + bytes([r.randrange(256)]) + out[at + (r.random() < 0.5):]
        return out if r.random() > 0.1 else out + self.INNER


class Setup:
    """node, nginx and HAProxy before it, and Understudy before each on a port of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="understudy-differential-")
        self.running = []
        node, nginx, haproxy = free_port(), free_port(), free_port()
        self.node = node
        self.start("node", "-e", NODE, str(node))
        self.write("nginx.conf", f"daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log /dev/null; events {{}} http {{ access_log off;"
                   f"client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u;"
                   f"scgi_temp_path {self.folder}/s; keepalive_requests 1000000; client_max_body_size 0; upstream node {{ server 127.0.0.1:{node}; keepalive 8; }}"
                   f"server {{ listen 127.0.0.1:{nginx}; merge_slashes off; location / {{ proxy_pass http://node; proxy_http_version 1.1;"
                   f"proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }} }} }}")
        self.start("nginx", "-c", f"{self.folder}/nginx.conf")
        self.write("haproxy.cfg", f"global\n nbthread 1\ndefaults\n mode http\n timeout connect 9s\n timeout client 60s\n timeout server 60s\n"
                   f"frontend f\n bind 127.0.0.1:{haproxy}\n default_backend b\nbackend b\n server s 127.0.0.1:{node}\n")
        self.start("haproxy", "-db", "-q", "-f", f"{self.folder}/haproxy.cfg")
        names, ports = ("node", "nginx", "haproxy"), (node, nginx, haproxy)
        self.fronts = {name: free_port() for name in names}
        listens = "".join(f"  - address: 127.0.0.1:{p}\n" for p in self.fronts.values())
        routes = "".join(f"  - name: {n}\n    match: {{port: {self.fronts[n]}}}\n    live: {{endpoints: [http://127.0.0.1:{p}], timeout: 5s}}\n" for n, p in zip(names, ports))
        self.write("u.yaml", f"version: 1\nworkers: 1\nlisten:\n{listens}control: {{socket: {self.folder}/u.sock}}\nrun: {{directory: {self.folder}, name: d}}\nroutes:\n{routes}")
        self.start(BINARY, "proxy", "-c", f"{self.folder}/u.yaml", "--run", f"{self.folder}/run")
        for port in (*ports, *self.fronts.values()):
            until = time.time() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    check(time.time() < until and all(p.poll() is None for p in self.running), "everything starts")
                    time.sleep(0.05)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def start(self, *command):
        self.running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))

    def through(self, name, data):
        with socket.create_connection(("127.0.0.1", self.fronts[name]), 20) as s:
            out = b""
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while (got := s.recv(65536)):
                    out += got
            except ConnectionError:
                pass
            return out

    def count(self):
        with socket.create_connection(("127.0.0.1", self.node), 20) as s:
            s.sendall(b"GET /differential-count HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            out = b""
            while (got := s.recv(65536)):
                out += got
            return int(re.search(rb"\r\n\r\n(?:[0-9a-f]+\r\n)?(\d+)", out)[1])

    def end(self):
        for p in reversed(self.running):
            p.terminate()
        for p in self.running:
            p.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def understood(answer):
    """Answer by answer, what node saw of the request; None where somebody refused it."""
    echoes = []
    for head in re.findall(rb"HTTP/1\.1 [2-5]\d\d [^\0]*?\r\n\r\n", answer):
        m = re.search(rb"(?i)\r\nx-echo: (\[[^\r]*\])", head)
        echoes.append(json.loads(m[1]) if m else None)
    return echoes


def judge(setup, data, tally):
    """A sentence when somebody disagrees, else None."""
    want = read_all(data)
    for name in ("node", "nginx", "haproxy"):
        echoes = understood(setup.through(name, data))
        served = len(echoes) - echoes.count(None)
        tally["answers"] += served
        tally["accepted " + name] += served > 0
        if any(e and (i >= len(want) or e != want[i]) for i, e in enumerate(echoes)):
            return f"{name} understood {echoes}, the reader {want}"
        if not want and not served:
            return None  # refused by Understudy, whoever is behind it
    return None


def main():
    missing = [p for p in ("node", "nginx", "haproxy") if not shutil.which(p)]
    if missing:
        print(f"skipped: {', '.join(missing)} not installed (sh tools/packages test)")
        return
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    setup, grammar, until = Setup(), Grammar(seed), time.time() + 15
    tally = dict.fromkeys(("answers", "accepted node", "accepted nginx", "accepted haproxy"), 0)
    bad, n = [], 0
    try:
        before = setup.count()
        while n < count if count else time.time() < until:
            n += 1
            data = grammar.request()
            why = judge(setup, data, tally)
            if why:
                bad.append(why)
                print(f"{data!r}\n    {why}", flush=True)
        more = setup.count() - before - tally["answers"]
    finally:
        setup.end()
    print(f"{n} requests, seed {seed}: {tally}, {len(bad)} disagreements, {more} requests at node beyond those answered")
    check(tally["accepted node"] > n // 10, "enough was let through")
    check(not bad and more == 0, "what is let through means one thing")


main()
