"""HTTP/2 by hand (RFC 9113, RFC 7541): frames, literal heads, and a reader of what the other side says. Standard library only."""
import collections, socket, ssl, struct, time
from harness import LIMIT

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, CONNECT, CALM = range(12)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, WINDOW, FRAME_SIZE, LIST_SIZE = 1, 2, 3, 4, 5, 6

Frame = collections.namedtuple("Frame", "type flags stream payload")
STATIC = {8: b"200", 9: b"204", 10: b"206", 11: b"304", 12: b"400", 13: b"404", 14: b"500"}


def frame(type, flags=0, stream=0, payload=b"", length=None):
    return struct.pack(">I", len(payload) if length is None else length)[1:] + bytes([type, flags]) + struct.pack(">I", stream) + payload


def take(peer):
    """The next frame of what a peer has `seen`, or gets by `more()`; None at the end."""
    size = lambda: int.from_bytes(peer.seen[:3], "big")
    while len(peer.seen) < 9 or len(peer.seen) < 9 + size():
        if not peer.more():
            return None
    seen, end = peer.seen, 9 + size()
    peer.seen = seen[end:]
    return Frame(seen[3], seen[4], int.from_bytes(seen[5:9], "big") & 0x7fffffff, seen[9:end])


def integer(value, bits, first=0):
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def literal(name, value, first=0):
    """Without Huffman code; `first` 0x40 puts it into the table."""
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def head(method=b"GET", path=b"/v2/x", scheme=b"http", authority=b"a", fields=()):
    block = literal(b":method", method) + literal(b":scheme", scheme) + literal(b":path", path) + literal(b":authority", authority)
    return block + b"".join(literal(n, v) for n, v in fields)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *p) for p in pairs))


def status(block):
    """Of an answer's head: an index of the static table, or digits (the Huffman code of digits has 5 or 6 bits)."""
    while block[0] >> 5 == 1:  # the size of the table changes
        block = block[1:]
    if block[0] & 0x80:
        return int(STATIC.get(block[0] & 0x7f, b"0"))
    length = block[1] & 0x7f
    text = block[2:2 + length]
    if block[1] & 0x80:
        bits, digits = "".join(f"{b:08b}" for b in text), ""
        while len(digits) < 3:
            n = 5 if bits[:5] in ("00000", "00001", "00010") else 6
            digits += str(int(bits[:5], 2) if n == 5 else int(bits[:6], 2) - 0x19 + 3)
            bits = bits[n:]
        return int(digits)
    return int(text)


class Peer:
    """A client's connection. With `settle` both sides' settings are exchanged first."""

    def __init__(self, sock, settle=True, limit=LIMIT, own=()):
        self.sock, self.seen, self.frames = sock, b"", []
        sock.settimeout(limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settle:
            self.send(PREFACE, settings((HEADER_TABLE_SIZE, 0), *own))
            self.wait(lambda f: f.type == SETTINGS and f.flags & ACK)

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def more(self):
        try:
            got = self.sock.recv(262144)
        except (ConnectionError, ssl.SSLError):
            got = b""
        self.seen += got
        return got

    def next(self):
        """The next frame, or None at the end; SETTINGS are acknowledged."""
        f = take(self)
        if f is None:
            return None
        if f.type == SETTINGS and not f.flags & ACK:
            try:
                self.send(frame(SETTINGS, ACK))
            except OSError:
                pass
        self.frames.append(f)
        return f

    def wait(self, wanted):
        """The next frame that is wanted, or None at the end of the connection."""
        while (f := self.next()) is not None:
            if wanted(f):
                return f
        return None

    def get(self, stream=1, **more):
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, head(**more)))

    def post(self, body, stream=1, **more):
        self.send(frame(HEADERS, END_HEADERS, stream, head(b"POST", **more)), frame(DATA, END_STREAM, stream, body))

    def answer(self, stream=1):
        """(status, body) of the final answer; the code of a reset; or "closed"."""
        code, body = None, b""
        while (f := self.next()) is not None:
            if f.stream != stream:
                continue
            if f.type == RST_STREAM:
                return int.from_bytes(f.payload, "big")
            if f.type == HEADERS and (code is None or code < 200):
                code = status(f.payload)
            if f.type == DATA:
                body += f.payload
                if f.payload:
                    self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(f.payload))))
            if f.flags & END_STREAM and f.type in (DATA, HEADERS):
                return code, body
        return "closed"

    def verdict(self):
        """What ends a stream or the connection: ("reset", code), ("goaway", code), "closed", or "alive" when a PING is answered."""
        for word in (b"are you ", b"still up"):  # what the first finds out may be said behind its answer
            got = self.pinged(word)
        return got

    def pinged(self, word):
        if word == b"are you ":
            self.last = None
        try:
            self.send(frame(PING, 0, 0, word))
        except OSError:
            pass
        while (f := self.next()) is not None:
            if f.type == RST_STREAM:
                self.last = ("reset", int.from_bytes(f.payload, "big"))
            elif f.type == GOAWAY:
                self.last = ("goaway", int.from_bytes(f.payload[4:8], "big"))
            elif f.type == PING and f.flags & ACK and f.payload == word:
                return self.last or "alive"
        return self.last or "closed"

    def gone(self, seconds=LIMIT):
        """True when the other side closes in time."""
        self.sock.settimeout(seconds)
        try:
            return self.wait(lambda f: False) is None
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()


def plain(port, **more):
    return Peer(socket.create_connection(("127.0.0.1", port)), **more)


def secured(port, context, **more):
    context.set_alpn_protocols(["h2"])
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    assert sock.selected_alpn_protocol() == "h2"
    return Peer(sock, **more)
