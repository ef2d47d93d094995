# SPDX-License-Identifier: Apache-2.0
"""Talking with a store that was joined: signed requests out, checked answers in.

Keeps: 1. A request is signed over its method, address, query and body, and used once. Where the key
has ended (a thief was faster) reading goes on as the public, which sees less. 2. A receipt or a
digest counts for the statement that was sent, and for no other. 3. A refusal keeps the code that
the other side gave.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kizuna.app.wiring.network import ask, fetch, post
from kizuna.app.wiring.settings import Clock
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId

if TYPE_CHECKING:
    from kizuna.roots.units import Handle, Unit

__all__ = ["Answered", "Joined", "checked_answer"]


class Answered:
    """What the other side answered for one statement."""

    def __init__(self, told: dict[str, Any], problem: Problem | None) -> None:
        self.problem = problem
        self.digest = Digest(bytes.fromhex(told["digest"])) if told.get("digest") else Digest(b"")
        self.index = int(told.get("index") or 0)
        self.duplicate = bool(told.get("duplicate"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The store at an address, as one organisation asks it."""

    url: str
    identity: SubjectId
    signer: Callable[[], tuple[Unit, Handle]]
    clock: Clock

    def fetch(self, path: str, query: str = "") -> bytes:
        """The bytes at a path.

        Raises:
            Absent, Refused, Unavailable: as the other side says; ``request.*``.
        """
        url = f"{self.url}{path}" + (f"?{query}" if query else "")
        return self._reading(lambda more: fetch(url, more), "GET", url)

    def join(self, value: dict[str, Any]) -> dict[str, Any]:
        """Ask to be let in.

        Raises:
            Refused, Unavailable: as the other side says; ``request.*``.
        """
        url = f"{self.url}/api/join"
        data, headers = _json(value)
        told = ask("POST", url, data, {**headers, **self._signature("POST", url, data, headers)})
        return told if isinstance(told, dict) else {}

    def act(self, path: str, value: bytes = b"{}") -> dict[str, Any]:
        """Send something in JSON that only this organisation may send.

        Raises:
            Malformed: ``request.answer``. Refused, Absent, Unavailable: as the other side says.
        """
        url = f"{self.url}{path}"
        headers = {"content-type": "application/json", "accept": "application/json, */*"}
        told = ask("POST", url, value, {**headers, **self._signature("POST", url, value, headers)})
        if not isinstance(told, dict):
            raise self._no_answer("what became of it")
        return told

    def look_up(self, question: dict[str, Any]) -> Any:  # noqa: ANN401 - checked by who asked
        """What is registered about some names; see ``elsewhere``.

        Raises:
            Malformed: ``request.answer``. Refused, Unavailable: as ``fetch``.
        """
        from kizuna.roots.cose import cbor

        url = f"{self.url}/api/lookup"
        data, headers = _json(question)
        told = self._reading(
            lambda more: post(url, data, {**headers, **more}), "POST", url, data, headers
        )
        try:
            return cbor.decode(told)
        except Malformed as fault:
            raise self._no_answer("what it has registered") from fault

    def submit(self, statements: list[bytes], documents: list[bytes]) -> list[dict[str, Any]]:
        """Send statements; one answer for each. They carry their own signatures.

        Raises:
            Malformed: ``request.answer``. Refused, Unavailable: as ``fetch``.
        """
        from kizuna.roots.cose import encode

        told = ask(
            "POST",
            f"{self.url}/api/statements?receipts=1",
            encode({"statements": statements, "documents": documents}),
            {"content-type": "application/cbor", "accept": "application/json"},
        )
        results = told.get("results") if isinstance(told, dict) else None
        if not isinstance(results, list) or len(results) != len(statements):
            raise self._no_answer("one result a statement")
        return results

    def earlier(self, digest: str) -> bytes:
        """A statement that the store says it had already."""
        return self.fetch(f"/api/statements/{digest}/transparent")

    def _reading(
        self,
        ask_with: Callable[[dict[str, str]], bytes],
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            return ask_with(self._signature(method, url, body, headers))
        except Refused as refused:
            if refused.code != "identity.request-key":
                raise
            return ask_with({})

    def _signature(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        from kizuna.roots.http_signatures import Request, sign_request

        parts = urlsplit(url)
        unit, handle = self.signer()
        return sign_request(
            unit,
            handle,
            Request(
                method=method,
                authority=parts.netloc,
                path=parts.path,
                query=parts.query,
                headers=dict(headers or {}),
                body=body,
            ),
            identity=self.identity,
            created=self.clock(),
            nonce=secrets.token_urlsafe(18),
        )

    def _no_answer(self, wanted: str) -> Malformed:
        return Malformed(
            "request.answer",
            f"{self.url} answered with something else than {wanted}",
            hint="check that this is the address of a kizuna store",
            url=self.url,
        )


def _json(value: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    data = json.dumps(value, ensure_ascii=False).encode()
    return data, {"content-type": "application/json", "accept": "application/json, */*"}


def checked_answer(
    statement: bytes, answer: dict[str, Any], earlier: Callable[[str], bytes]
) -> tuple[Answered, bytes | None]:
    """What became of a statement that was sent, and its receipt.

    Raises:
        Tampered: ``request.other-statement``.
    """
    from kizuna.roots.cose import parse_sign1

    if not answer.get("digest") or answer.get("code"):
        problem = Refused(
            str(answer.get("code") or "request.failed")[:80],
            str(answer.get("message") or "the store did not take the statement")[:500],
            hint=str(answer.get("hint") or "")[:500],
        )
        return Answered({}, problem), None
    sent, digest = parse_sign1(statement), str(answer["digest"])
    same = sent.digest.hex() == digest
    if not same and answer.get("duplicate") and re.fullmatch(r"[0-9a-f]{64}", digest):
        # the same was said before under another signature: see for oneself whether that is true
        found = parse_sign1(earlier(digest))
        same = found.digest.hex() == digest and found.content == sent.content
    if not same:
        raise Tampered(
            "request.other-statement",
            "the store answered for another statement than the one that was sent",
            hint="ask the operator of the store to explain it",
            digest=digest[:64],
        )
    receipt = base64.b64decode(answer["receipt"]) if answer.get("receipt") else None
    return Answered(answer, None), receipt
