"""HTTP/2 frame by frame, either side, for scripts: heads are decoded by libnghttp2, all else is written here."""
import collections, ctypes, ctypes.util, struct, threading
from frames import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAX_STREAMS, NO_ERROR, PING, PREFACE, PRIORITY, SETTINGS,
                    frame, literal, take)
from frames import INTERNAL as INTERNAL_ERROR, PROTOCOL as PROTOCOL_ERROR, PUSH_PROMISE as PUSH, REFUSED as REFUSED_STREAM
from frames import RST_STREAM as RST, WINDOW as INITIAL_WINDOW, WINDOW_UPDATE as WINDOW
from wire import Live

Request = collections.namedtuple("Request", "stream head body trailers")
library = ctypes.CDLL(ctypes.util.find_library("nghttp2"))


class Pair(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("value", ctypes.c_void_p), ("name_len", ctypes.c_size_t), ("value_len", ctypes.c_size_t),
                ("flags", ctypes.c_uint8)]


class Inflater:
    """The state of HPACK (RFC 7541) for what one side says."""

    def __init__(self):
        self.state = ctypes.c_void_p()
        library.nghttp2_hd_inflate_new(ctypes.byref(self.state))
        library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t

    def fields(self, block):
        out, flags, pair = [], ctypes.c_int(), Pair()
        data = ctypes.create_string_buffer(block, len(block))
        at = 0
        while True:
            n = library.nghttp2_hd_inflate_hd2(self.state, ctypes.byref(pair), ctypes.byref(flags), ctypes.byref(data, at),
                                               ctypes.c_size_t(len(block) - at), 1)
            if n < 0:
                raise ValueError(f"HPACK {n}")
            at += n
            if flags.value & 2:
                out.append((ctypes.string_at(pair.name, pair.name_len), ctypes.string_at(pair.value, pair.value_len)))
            if flags.value & 1:
                library.nghttp2_hd_inflate_end_headers(self.state)
                return out


def block(fields):
    """Literals without index, as bytes."""
    out = b""
    for name, value in fields:
        name, value = (v.encode() if isinstance(v, str) else v for v in (name, value))
        out += literal(name, value)
    return out


class H2:
    """One connection over a Peer. `server`: it hears the preface; else it says it. Settings go out at once."""

    def __init__(self, peer, server=True, settings={}):
        self.peer, self.server, self.inflater = peer, server, Inflater()
        self.windows = collections.defaultdict(lambda: self.initial)
        self.initial, self.connection_window, self.next_id = 65535, 65535, 1
        self.greedy = True  # what is read opens the windows again
        self.waiting = []  # frames read while looking for another
        if server:
            got = peer.exactly(len(PREFACE))
            if got != PREFACE:
                raise ValueError(f"not the preface: {got!r}")
        else:
            peer.send(PREFACE)
        self.send(SETTINGS, 0, 0, b"".join(struct.pack(">HI", k, v) for k, v in settings.items()))

    def send(self, kind, flags, stream, payload=b""):
        self.peer.send(frame(kind, flags, stream, payload))

    def read(self):
        """The next frame from the wire; what keeps the connection alive is answered here."""
        f = take(self.peer)
        if f is None:
            raise EOFError("closed between two frames, or in one")
        kind, flags, stream, payload = f
        size = len(payload)
        if kind == SETTINGS and not flags & ACK:
            for i in range(0, size, 6):
                key, value = struct.unpack(">HI", payload[i:i + 6])
                if key == INITIAL_WINDOW:
                    for known in self.windows:
                        self.windows[known] += value - self.initial
                    self.initial = value
            self.send(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == DATA and size and self.greedy:
            for which in (0, stream):
                self.send(WINDOW, 0, which, struct.pack(">I", size))
        elif kind == WINDOW:
            by = int.from_bytes(payload, "big")
            if stream:
                self.windows[stream] += by
            else:
                self.connection_window += by
        return f

    def frame(self, *kinds, stream=None):
        """The next frame of these kinds, of that stream; others wait for their turn."""
        def fits(f):
            return f.type in kinds and (stream is None or f.stream == stream)
        for i, f in enumerate(self.waiting):
            if fits(f):
                return self.waiting.pop(i)
        while True:
            f = self.read()
            if fits(f):
                return f
            if f.type in (DATA, HEADERS, RST, GOAWAY):
                self.waiting.append(f)

    def head(self, stream=None):
        """(stream, [(name, value)], ended)"""
        f = self.frame(HEADERS, stream=stream)
        return f.stream, self.inflater.fields(f.payload[5:] if f.flags & 0x20 else f.payload), bool(f.flags & END_STREAM)

    def body(self, stream):
        """(body, trailers) up to the end of the stream; ConnectionResetError with the code when it is reset."""
        whole = b""
        while True:
            f = self.frame(DATA, HEADERS, RST, stream=stream)
            if f.type == RST:
                raise ConnectionResetError(int.from_bytes(f.payload, "big"), whole)
            if f.type == HEADERS:
                return whole, self.inflater.fields(f.payload)
            whole += f.payload
            if f.flags & END_STREAM:
                return whole, []

    def request(self):
        """The next whole request, or None at the end of the connection."""
        try:
            stream, fields, ended = self.head()
            body, trailers = (b"", []) if ended else self.body(stream)
        except (EOFError, ConnectionResetError, OSError):
            return None
        return Request(stream, fields, body, trailers)

    def fields(self, stream, fields, end=False):
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(fields))

    def data(self, stream, data, end=True):
        """Within the windows, waiting for them."""
        while data:
            n = min(len(data), self.windows[stream], self.connection_window, 16384)
            if n <= 0:
                f = self.read()
                if f.type in (DATA, HEADERS, RST, GOAWAY):
                    self.waiting.append(f)
                if f.type == RST and f.stream == stream:
                    raise ConnectionResetError(int.from_bytes(f.payload, "big"), b"")
                continue
            piece, data = data[:n], data[n:]
            self.windows[stream] -= n
            self.connection_window -= n
            self.send(DATA, END_STREAM if end and not data else 0, stream, piece)
            if not data:
                return
        if end:
            self.send(DATA, END_STREAM, stream)

    def answer(self, stream, body=b"ok", status="200", fields=(), trailers=()):
        self.fields(stream, [(":status", status), *fields], end=not body and not trailers)
        if body:
            self.data(stream, body, end=not trailers)
        if trailers:
            self.fields(stream, trailers, end=True)

    def reset(self, stream, code):
        self.send(RST, 0, stream, struct.pack(">I", code))

    def goaway(self, last, code=NO_ERROR):
        self.send(GOAWAY, 0, 0, struct.pack(">II", last, code))

    def ask(self, fields, body=None, trailers=()):
        """Client: a request whose body is whole; its stream."""
        stream, self.next_id = self.next_id, self.next_id + 2
        self.fields(stream, fields, end=body is None and not trailers)
        if body is not None:
            self.data(stream, body, end=not trailers)
        if trailers:
            self.fields(stream, trailers, end=True)
        return stream


def serving(answer, settings={}):
    """A script for Live: `answer(h2, request)` for each request."""
    def script(peer, n):
        h2 = H2(peer, settings=settings)
        while (request := h2.request()):
            answer(h2, request)
    return script


class H2Live(Live):
    """Live in front of a script that speaks HTTP/2; with a context, over TLS."""

    def __init__(self, script, context=None, **more):
        self.context, self.agreed = context, []
        if context:
            script = self.secured(script)
        super().__init__(script, **more)
        if context:
            self.url = f"https://127.0.0.1:{self.port}"

    def secured(self, script):
        def inside(peer, n):
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
            self.agreed.append(peer.sock.selected_alpn_protocol())
            script(peer, n)
        return inside
