"""A WebSocket by hand, for what no real client would do: not to read."""

import socket
import struct
from collections.abc import Iterator

RECEIVE_BUFFER_BYTES = 4096
PING = b"\x89\xfd" + bytes(4) + b"p" * 125  # as long as one may be; the mask is zero


class RawSocket:
    def __init__(self, port: int, path: str, **headers: str) -> None:
        self.connection = socket.socket()
        # Small, so that the server's side has to wait soon.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.connection.settimeout(20)
        self.connection.connect(("127.0.0.1", port))
        lines = {
            "Host": f"localhost:{port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.connection.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self._stream = self.connection.makefile("rb", buffering=0)
        self.status = self._line()
        while self._line():
            pass

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.connection.close()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\r\n"):
            line += self._read(1)
        return line[:-2]

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._stream.read(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def send_text(self, text: str) -> None:
        data = text.encode()
        assert len(data) < 65536
        length = bytes([0x80 | 126]) + struct.pack("!H", len(data))
        self.connection.sendall(b"\x81" + length + bytes(4) + data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) for each frame, until the server hangs up."""
        while True:
            try:
                first, length = self._read(2)
                if length == 126:
                    (length,) = struct.unpack("!H", self._read(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", self._read(8))
                yield first & 0x0F, self._read(length)
            except EOFError:
                return
