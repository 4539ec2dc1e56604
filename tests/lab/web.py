"""HTTP servers for many names in one process: ``web.py NAME@ADDRESS:PORT …``; run with ``python -I -S``.

The port is what follows the last colon, also of an IPv6 address; ``::`` is IPv6 alone.

Each answers with who it is and whom it saw, so that a test can tell both ends of the path apart:
``/`` → ``I am NAME, you are CLIENT``; ``/bytes/N`` → N bytes; ``/slow/N/SECONDS`` → N bytes in about that time.
A POST is read and answered with ``all of it``.

The sockets listen before ``http.server`` is imported (which is most of the start-up): connections made meanwhile
wait in the kernel's backlog, so "ready" can be said early.
"""

import socket
import sys

CHUNKS = 100


def main() -> None:
    listeners: list[tuple[str, socket.socket]] = []
    for argument in sys.argv[1:]:
        name, _, place = argument.partition("@")
        address, _, port = place.rpartition(":")
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, int(port)))
        listener.listen(128)
        listeners.append((name, listener))
    print("listening", flush=True)
    serve(listeners)


def serve(listeners: list[tuple[str, socket.socket]]) -> None:
    import threading
    import time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        name = ""

        def do_GET(self) -> None:
            kind, *rest = self.path.strip("/").split("/")
            if kind == "bytes":
                self.answer([b"." * int(rest[0])], 0.0)
            elif kind == "slow":
                self.answer([b"." * (int(rest[0]) // CHUNKS)] * CHUNKS, float(rest[1]) / CHUNKS)
            else:
                self.answer([f"I am {self.name}, you are {self.client_address[0]}\n".encode()], 0.0)

        def do_POST(self) -> None:
            left = int(self.headers["Content-Length"])
            while left and (part := self.rfile.read(min(left, 65536))):
                left -= len(part)
            self.answer([b"all of it\n" if not left else b"cut off\n"], 0.0)

        def answer(self, parts: list[bytes], pause: float) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
                time.sleep(pause)

        def log_message(self, *_: object) -> None:
            """Say nothing: standard output is a pipe that nobody empties."""

    for name, listener in listeners:
        server = ThreadingHTTPServer(
            listener.getsockname()[:2], type("Named", (Handler,), {"name": name}), bind_and_activate=False
        )
        server.socket.close()
        server.socket = listener
        threading.Thread(target=server.serve_forever, args=(60,)).start()


if __name__ == "__main__":
    main()
