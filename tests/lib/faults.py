"""Servers of HTTP/1.1 in a process of their own, whose faults change while they run: candidates, and a live server that has none.
Standard library only."""
import asyncio, hashlib, os, signal, socket, struct
from harness import free_port, infer

ALL = ("dead", "refusing", "hung", "slow", "reset", "garbage", "trickle", "endless", "length", "tls")
SLOW_SECONDS, ENDLESS_PIECE, STATUS = 0.15, 16384, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def whole(body):
    return STATUS + b"content-length: %d\r\n\r\n" % len(body) + body


def live_answer(body):
    """What depends on every byte of the request: an answer that is another's, or is short, is found out."""
    digest = hashlib.sha256(body).digest()
    fill = digest.hex().encode() * (int.from_bytes(digest[:2], "big") % 512)
    return infer(1)[2][:-1] + b', "id": "' + digest.hex().encode() + b'", "fill": "' + fill + b'"}'


def deaf(port):
    """Nobody accepts, and the queue is full: who connects hears nothing at all."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        held.append(s)
    return held


class Server:
    def __init__(self, port, context, answer):
        self.port, self.context, self.answer, self.fault, self.count = port, context, answer, "", 0
        self.server, self.held, self.open = None, [], {}

    async def be(self, fault):
        if self.server:
            self.server.close()
            self.server = None
        for writer, task in list(self.open.items()):
            writer.transport.abort()
            task.cancel()
        for s in self.held:
            s.close()
        self.held, self.fault = [], fault
        await asyncio.sleep(0)  # aborted connections are closed
        if fault == "dead":
            self.held = deaf(self.port)
        elif fault != "refusing":
            context = None if fault == "tls" else self.context
            self.server = await asyncio.start_server(self.connected, "127.0.0.1", self.port, ssl=context, backlog=256, limit=1 << 20)

    async def connected(self, reader, writer):
        self.open[writer] = asyncio.current_task()
        self.count += 1
        try:
            if self.fault == "tls":
                await self.shake(writer, self.count)
            else:
                await self.serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        del self.open[writer]
        writer.close()

    async def shake(self, writer, n):
        """Handshakes that come to nothing: an end, noise, an endless wait."""
        if n % 3 == 0:
            return
        if n % 3 == 1:
            writer.write(os.urandom(512))
            return await writer.drain()
        await asyncio.sleep(60)

    async def serve(self, reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = [l for l in head.split(b"\r\n") if l.startswith(b"content-length:")]
            body = await reader.readexactly(int(length[0][15:])) if length else b""
            answer = whole(self.answer(body))
            if self.fault:
                await getattr(self, self.fault)(writer, answer)
            else:
                writer.write(answer)
                await writer.drain()

    async def hung(self, writer, answer):
        await asyncio.sleep(600)

    async def slow(self, writer, answer):
        await asyncio.sleep(SLOW_SECONDS)
        writer.write(answer)

    async def reset(self, writer, answer):
        writer.write(answer[:-20])
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise EOFError

    async def garbage(self, writer, answer):
        writer.write(os.urandom(700))
        await writer.drain()

    async def trickle(self, writer, answer):
        for i in range(len(answer)):
            writer.write(answer[i:i + 1])
            await writer.drain()
            await asyncio.sleep(1)

    async def endless(self, writer, answer):
        writer.write(STATUS + b"transfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"%x\r\n%s\r\n" % (ENDLESS_PIECE, b"x" * ENDLESS_PIECE))
            await writer.drain()
            await asyncio.sleep(0.002)

    async def length(self, writer, answer):
        """In turns more than there is, and less."""
        self.count += 1
        by = 7 if self.count % 2 else -7
        body = answer.partition(b"\r\n\r\n")[2]
        writer.write(STATUS + b"content-length: %d\r\n\r\n" % (len(body) + by) + body)
        await writer.drain()
        if by > 0:
            raise EOFError


class Servers:
    """One process with a server for each name; those in `contexts` speak TLS."""

    def __init__(self, names, contexts={}, answer=lambda body: infer(1)[2]):
        self.ports = {n: free_port() for n in names}
        self.line, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.line.close()
            try:
                asyncio.run(self.run(theirs, {n: Server(p, contexts.get(n), answer) for n, p in self.ports.items()}))
            finally:
                os._exit(0)
        theirs.close()
        self.urls = {n: f"http{'s' if n in contexts else ''}://127.0.0.1:{p}" for n, p in self.ports.items()}
        for name in names:
            self.be(name, "")

    async def run(self, line, servers):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reader, writer = await asyncio.open_connection(sock=line)
        while (words := (await reader.readline()).decode().split(" ")) != [""]:
            await servers[words[0]].be(words[1].strip())
            writer.write(b".")

    def be(self, name, fault):
        """From now on it has this fault ('': none); what it has open is cut."""
        self.line.sendall(f"{name} {fault}\n".encode())
        if self.line.recv(1) != b".":
            raise EOFError(f"the servers died when {name} was to be {fault}")
