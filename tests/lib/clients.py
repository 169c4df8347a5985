"""Clients that ask for one inference after the other, on one connection each: HTTP/1.1 in clear or over TLS, HTTP/2 over TLS."""
import socket
import secure
from h2wire import H2
from wire import Peer, post


class Http1:
    def __init__(self, port, tls):
        self.peer = secure.dial(port, secure.client_context()) if tls else Peer(socket.create_connection(("127.0.0.1", port)))

    def ask(self, body):
        self.peer.send(post(body, b"/v2/models/m/infer"))
        answer = self.peer.answer("POST")
        return answer.status, answer.fields, answer.body


class Http2:
    def __init__(self, port):
        context = secure.client_context()
        context.set_alpn_protocols(["h2"])
        self.h2 = H2(secure.dial(port, context), server=False)

    def ask(self, body):
        stream = self.h2.ask([(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/v2/models/m/infer"),
                              ("content-length", str(len(body)))], body)
        (_, status), *fields = self.h2.head(stream)[1]
        return int(status), fields, self.h2.body(stream)[0]
