"""Server-sent events, as far as providers use them."""

# No event of a provider comes near this; without a bound one bad line could fill the memory.
MAX_LINE_BYTES = 8 * 1024 * 1024
# An error in place of a stream is read up to here.
MAX_DOCUMENT_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventData:
    """Bytes in, in pieces of any size; out comes the `data:` of each event that they complete.

    No provider spreads the data of one event over several lines, so a line is an event. The
    bytes are cut at line ends only: a character that comes in two pieces stays whole.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_length = 0
        self._has_begun = False
        # What came in place of a stream: a JSON document or a page. No event begins like one.
        self.document: bytes | None = None

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises ValueError for a line, or for a document, without end."""
        if not self._has_begun:
            piece = self._begin(piece)
        if self.document is not None:
            self._add_to_document(piece)
            return []
        end = piece.rfind(b"\n")
        if end < 0:
            self._keep(piece)
            return []
        if self._rest:
            piece, end = b"".join(self._rest) + piece, end + self._rest_length
            self._rest.clear()
            self._rest_length = 0
        if end + 1 < len(piece):
            self._keep(piece[end + 1 :])
        return [line[5:].strip() for line in piece[:end].split(b"\n") if line[:5] == b"data:"]

    def _begin(self, piece: bytes) -> bytes:
        """What counts of the first bytes. Held back until they show what the body is."""
        start = (b"".join(self._rest) + piece).removeprefix(_BYTE_ORDER_MARK).lstrip()
        self._rest.clear()
        self._rest_length = 0
        if not start or _BYTE_ORDER_MARK.startswith(start):
            self._keep(start)
            return b""
        self._has_begun = True
        if start[:1] in (b"{", b"[", b"<"):
            self.document = b""
        return start

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._rest.append(piece)
            self._rest_length += len(piece)
        if self._rest_length > MAX_LINE_BYTES:
            raise ValueError("a line is too long")

    def _add_to_document(self, piece: bytes) -> None:
        self.document = (self.document or b"") + piece
        if len(self.document) > MAX_DOCUMENT_BYTES:
            raise ValueError("a document in place of a stream is too long")
