"""TLS on both sides of a proxy, with certificates made on the spot by the openssl command; and PROXY headers."""
import contextlib, os, socket, ssl, struct, subprocess
from harness import LIMIT, scratch
from wire import Live, Peer, Wire

FOLDER = scratch("tls-")


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, cwd=FOLDER)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(words)}: {done.stderr}")


def path(name):
    return os.path.join(FOLDER, name)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "30", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def certificate(name, ca, alternatives="", expired=False):
    """NAME.pem and NAME.key, issued by `ca`."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")
    with open(path(f"{name}.ext"), "w") as f:
        f.write("basicConstraints=CA:FALSE\n" + (f"subjectAltName={alternatives}\n" if alternatives else ""))
    # a negative number of days: it ended before it began
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{name}.pem",
            "-days", "-1" if expired else "29", "-extfile", f"{name}.ext")


def make_all():
    """What the scenarios need: two authorities, two sites, an expired one, a client of each authority."""
    for ca in ("ca", "other-ca"):
        authority(ca)
    certificate("site", "ca", "DNS:localhost,DNS:site.test,IP:127.0.0.1")
    certificate("second", "ca", "DNS:second.test,DNS:*.wild.test")
    certificate("elsewhere", "ca", "DNS:elsewhere.test")
    certificate("expired", "ca", "DNS:localhost,IP:127.0.0.1", expired=True)
    certificate("stranger", "other-ca", "DNS:localhost,IP:127.0.0.1")
    certificate("client", "ca")
    certificate("wrong-client", "other-ca")


def pair(name):
    return f"certificate_file: {path(name)}.pem, key_file: {path(name)}.key"


def listen(more=""):
    """The listener's `tls` for harness.Proxy."""
    return f"    tls: {{{pair('site')}{more}}}\n"


def client_context(version=None, ca="ca.pem", show=None, check=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path(ca))
    context.check_hostname = check
    if not check:
        context.verify_mode = ssl.CERT_NONE
    if show:
        context.load_cert_chain(path(show + ".pem"), path(show + ".key"))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def server_context(name="site", client_ca=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path(name + ".pem"), path(name + ".key"))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(path(client_ca))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TlsPeer(Peer):
    """A peer inside TLS. An end without close_notify is None in rest(), like a reset: nothing says that it was whole."""

    def __init__(self, sock, limit=LIMIT):
        super().__init__(sock, limit)

    def rest(self):
        try:
            while self.more():
                pass
        except (ConnectionResetError, ssl.SSLError):
            return None
        out, self.seen = self.seen, b""
        return out

    def by_record(self, data, size=1):
        """`data` in records of `size` bytes, until the other side hears no more of it."""
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            for i in range(0, len(data), size):
                self.sock.sendall(data[i:i + size])

    def says_goodbye(self):
        """close_notify, then hear the other side's."""
        return self.sock.unwrap()

    def close(self, reset=False):
        """With close_notify, not waiting for the other side's."""
        try:
            self.sock.settimeout(0)
            if not reset:
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        super().close(reset)

    def cut(self):
        """The TCP connection ends, TLS does not."""
        raw = socket.socket(fileno=self.sock.detach())
        raw.close()


def dial(port, context=None, name="localhost", before=b"", limit=LIMIT, session=None):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(limit)
    sock.sendall(before)
    try:
        return TlsPeer((context or client_context()).wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False, session=session), limit)
    except Exception:
        sock.close()
        raise


class TlsWire(Wire):
    """A proxy whose clients speak TLS; `more` goes into the listener's `tls`."""

    def __init__(self, *lives, tls="", extra_listen="", **more):
        self.default = client_context()
        super().__init__(*lives, listen=listen(tls) + extra_listen, **more)

    def peer(self, limit=LIMIT):
        return dial(self.port, self.default, limit=limit)

    def client(self):
        raise NotImplementedError("use peer()")


class TlsLive(Live):
    """A live server behind TLS; `refused` are the handshakes that failed, `bytes_in_clear` what a non-TLS client sent."""

    def __init__(self, script, context, name="localhost"):
        self.context, self.refused = context, []
        super().__init__(script)
        self.url = f"https://{name}:{self.port}"

    def serve(self, peer, n):
        try:
            secure = self.context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False)
        except (OSError, ssl.SSLError) as error:
            self.refused.append(error)
            peer.close()
            return
        inside = TlsPeer(secure)
        self.peers[self.peers.index(peer)] = inside
        super().serve(inside, n)


def proxy_v1(source="192.0.2.7", port=4711):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {'::1' if family == 'TCP6' else '127.0.0.1'} {port} 80\r\n".encode()


def proxy_v2(source="192.0.2.7", port=4711, command=1, extra=b""):
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if six else "127.0.0.1") + struct.pack("!HH", port, 80)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20 | command, 0x21 if six else 0x11, len(addresses + extra)) + addresses + extra


def metric(proxy, name):
    """One sample of /metrics by its name with labels; 0 when absent."""
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", proxy.admin, timeout=LIMIT)
    c.request("GET", "/metrics")
    lines = c.getresponse().read().decode().splitlines()
    c.close()
    values = [float(l.rsplit(" ", 1)[1]) for l in lines if l.startswith(name + " ")]
    return values[0] if values else 0
