"""HTTP of one connection: bytes in, bytes out, one answer at a time.  No socket, no clock."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import h11

from netnsmgr.services.metadata.answers import Answer, sentence
from netnsmgr.services.metadata.limits import BODY_BYTES, HEADER_BYTES

Respond = Callable[[str, str], Answer]
"""From a method and a target to an answer."""


class Exchange:
    """What one client says and is told.  ``over``: nothing more will be said."""

    __slots__ = ("_body", "_connection", "_request", "_respond", "over")

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
        self._request: h11.Request | None = None
        self._body = 0
        self.over = False

    def receive(self, data: bytes) -> bytes:
        """Take in what has come (nothing: the client has ended); return what to send."""
        try:
            self._connection.receive_data(data)
        except RuntimeError:  # h11's word for data after the end
            self.over = True
        return self.proceed()

    def proceed(self) -> bytes:
        """Return what to send next: at most one answer, so that many requests at once do not become many in memory."""
        while not self.over:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                return self._refuse(error.error_status_hint, "this is no HTTP that can be understood here")
            if isinstance(event, h11.Request):
                self._request, self._body = event, 0
                # h11 bounds what it waits for the end of; all that comes at once is longer by a piece.
                if sum(len(name) + len(value) for name, value in event.headers) > HEADER_BYTES:
                    return self._refuse(431, f"no more than {HEADER_BYTES} bytes of header, please")
                if _length(event) > BODY_BYTES:
                    return self._refuse(413, f"no more than {BODY_BYTES} bytes, please")
            elif isinstance(event, h11.Data):
                self._body += len(event.data)
                if self._body > BODY_BYTES:
                    return self._refuse(413, f"no more than {BODY_BYTES} bytes, please")
            elif isinstance(event, h11.EndOfMessage):
                assert self._request is not None
                return self._send(self._answer(self._request))
            elif event is h11.NEED_DATA:
                if self._connection.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    return self._connection.send(go_on) or b""
                return b""
            else:
                self.over = True
        return b""

    def _answer(self, request: h11.Request) -> Answer:
        return self._respond(request.method.decode(), request.target.decode("ascii", "replace"))

    def _refuse(self, status: int, why: str) -> bytes:
        if self._connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.over = True
            return b""
        return self._send(sentence(status, why, close=True))

    def _send(self, answer: Answer) -> bytes:
        headers = [("Content-Length", str(len(answer.body))), ("Cache-Control", "no-store")]
        if answer.status == HTTPStatus.NO_CONTENT:
            headers.pop(0)
        elif answer.type:
            headers.append(("Content-Type", answer.type))
        if answer.close:
            headers.append(("Connection", "close"))
        response = h11.Response(
            status_code=answer.status,
            headers=[*headers, *answer.headers],
            reason=HTTPStatus(answer.status).phrase,
        )
        parts = [self._connection.send(response)]
        # h11 knows that an answer to HEAD has no body, and still counts it.
        head = self._request is not None and self._request.method == b"HEAD"
        if answer.body and not head:
            parts.append(self._connection.send(h11.Data(data=answer.body)))
        parts.append(self._connection.send(h11.EndOfMessage()))
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
            self._request = None
        else:
            self.over = True
        return b"".join(part for part in parts if part)


def _length(request: h11.Request) -> int:
    """Return what the client says that its body has; h11 has made sure that it is a number."""
    return next((int(value) for name, value in request.headers if name == b"content-length"), 0)
