"""Raw sockets on both sides of a proxy: a scripted live server and a client that judges framing. Standard library only."""
import collections, socket, subprocess, sys, tempfile, threading, time
from harness import BINARY, LIMIT, Endpoint, Proxy, check, infer

Answer = collections.namedtuple("Answer", "status reason head fields body clean")


class Peer:
    """One connection: exact reads, no opinion about HTTP beyond framing."""

    def __init__(self, sock, limit=LIMIT):
        self.sock, self.seen = sock, b""
        sock.settimeout(limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def more(self):
        got = self.sock.recv(262144)
        self.seen += got
        return got

    def until(self, mark):
        while mark not in self.seen:
            if not self.more():
                raise EOFError(f"closed before {mark!r}: {self.seen[-200:]!r}")
        at = self.seen.index(mark) + len(mark)
        out, self.seen = self.seen[:at], self.seen[at:]
        return out

    def exactly(self, n):
        pieces, have = [self.seen], len(self.seen)
        try:
            while have < n:
                self.seen = b""
                if not self.more():
                    raise EOFError(f"closed after {have} of {n} bytes")
                pieces.append(self.seen)
                have += len(self.seen)
        finally:
            self.seen = b"".join(pieces)
        out, self.seen = self.seen[:n], self.seen[n:]
        return out

    def rest(self):
        """Everything up to the end; None instead of the bytes when the connection was reset."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            return None
        out, self.seen = self.seen, b""
        return out

    def chunked(self):
        body = b""
        while (size := int(self.until(b"\r\n").split(b";")[0], 16)):
            body += self.exactly(size + 2)[:-2]
        trailers = []
        while (line := self.until(b"\r\n")[:-2]):
            trailers.append(line)
        return body, trailers

    def request(self):
        """(head, body) of the next request, or None at the end of the connection."""
        try:
            head = self.until(b"\r\n\r\n")
        except (EOFError, OSError):
            return None
        low = head.lower()
        if b"\r\ntransfer-encoding: chunked\r\n" in low:
            return head, self.chunked()[0]
        length = [l for l in low.split(b"\r\n") if l.startswith(b"content-length:")]
        return head, self.exactly(int(length[0].split(b":")[1])) if length else b""

    def answer(self, method="GET"):
        head = self.until(b"\r\n\r\n")
        start, *lines = head[:-4].split(b"\r\n")
        version, status, reason = (start + b" ").split(b" ", 2)
        fields = [(n.lower(), v.strip()) for n, _, v in (l.partition(b":") for l in lines)]
        named, status, body, clean = dict(fields), int(status), b"", True
        if method == "HEAD" or status < 200 or status in (204, 304):
            pass
        elif named.get(b"transfer-encoding") == b"chunked":
            try:
                body = self.chunked()[0]
            except (EOFError, ConnectionResetError):
                clean = False
        elif b"content-length" in named:
            try:
                body = self.exactly(int(named[b"content-length"]))
            except (EOFError, ConnectionResetError):
                clean = False
        else:
            body = self.rest()
            clean = body is not None
        return Answer(status, reason.strip().decode("latin-1"), head, fields, body, clean)

    def gone(self):
        """True when the other side closes without another byte."""
        return self.rest() in (b"", None)

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Live:
    """Each accepted connection is handed to `script(peer, n)`, n from 0, in its own thread; `script` may be replaced."""

    def __init__(self, script, host="127.0.0.1", port=0):
        self.script, self.accepted, self.errors, self.peers = script, 0, [], []
        self.listener = socket.create_server((host, port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            n, self.accepted = self.accepted, self.accepted + 1
            peer = Peer(sock)
            self.peers.append(peer)
            threading.Thread(target=self.serve, args=(peer, n), daemon=True).start()

    def serve(self, peer, n):
        try:
            self.script(peer, n)
        except Exception as error:  # a closed peer is what many scenarios are about
            self.errors.append(repr(error))
        peer.close()

    def held(self):
        """Has somebody a connection to here that is open, or whose end he has not answered?"""
        with open("/proc/net/tcp") as f:
            rows = [line.split()[2:4] for line in f][1:]
        return any(there.endswith(f":{self.port:04X}") and state in ("01", "08") for there, state in rows)

    def restart(self, script):
        """Another script; what is connected is closed, and the proxy has seen it."""
        self.script = script
        for peer in self.peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        until = time.time() + 5  # one that is stopped, or holds on to a tunnel, sees it later
        while self.held() and time.time() < until:
            time.sleep(0.005)
        self.accepted, self.errors, self.peers = 0, [], []


def reply(body=b"ok", status=b"200 OK", fields=b""):
    return b"HTTP/1.1 " + status + b"\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answering(*answers):
    """A script: the n-th request of a connection gets the n-th answer, later ones the last."""
    def script(peer, n):
        i = 0
        while peer.request():
            peer.send(answers[min(i, len(answers) - 1)])
            i += 1
    return script


class Wire(Proxy):
    """A proxy of one worker in front of `live` (one Live or several)."""

    def __init__(self, *lives, **more):
        self.shadow = Endpoint(lambda m, p, h, b: infer(0))
        super().__init__(", ".join(l if isinstance(l, str) else l.url for l in lives), {"same": self.shadow.url},
                         **{"workers": 1, **more})

    def peer(self, limit=LIMIT):
        return Peer(socket.create_connection(("127.0.0.1", self.port)), limit)

    def ask(self, request, method="GET"):
        """One request on its own connection."""
        peer = self.peer()
        peer.send(request)
        try:
            return peer.answer(method)
        finally:
            peer.close()

    def worker(self):
        return self.pids("worker")[0]

    def descriptors(self):
        import os
        return len(os.listdir(f"/proc/{self.worker()}/fd"))

    def rss_kb(self):
        """Of its own: without pages of the rings, which what passes touches once."""
        lines = open(f"/proc/{self.worker()}/status").read().splitlines()
        return int([l for l in lines if l.startswith("RssAnon")][0].split()[1])

    def ended(self, sanitised=True):
        """Drain, then: exit status 0, nothing open, every exchange accounted for, no sanitiser's complaint."""
        from harness import adds_up
        self.settle(0)
        status, log = self.stop()
        counts = self.summary()["counts"]
        check(status == 0, f"a drained proxy exits 0: {status} {log}")
        check("ERROR: " not in log and "runtime error" not in log, f"no sanitiser complains: {log}")
        check(adds_up(counts) and counts["open"] == 0, f"the counts add up: {counts}")
        return counts


def get(path=b"/v2/x", fields=b"", version=b"1.1"):
    return b"GET " + path + b" HTTP/" + version + b"\r\nHost: a\r\n" + fields + b"\r\n"


def post(body, path=b"/v2/x", fields=b""):
    return b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


def accepts(extra="", **more):
    """Does `check` take this configuration? For keys that a build may not have."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("version: 1\nlisten: [{address: 127.0.0.1:1}]\nroutes:\n  - name: r\n    live: {endpoints: [http://127.0.0.1:2]}\n" + extra)
        f.flush()
        return subprocess.run([BINARY, "check", "-c", f.name], capture_output=True).returncode == 0
