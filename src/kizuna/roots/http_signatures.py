# SPDX-License-Identifier: Apache-2.0
"""Signed HTTP requests: how a party shows that it may read what is restricted.

Keeps: 1. A signature covers method, authority, path, query and the digest of the body, so it fits
one request at one server. 2. It lives at most five minutes and is taken once: its nonce is
remembered until it would have expired. 3. The key is named by identity and thumbprint
(``keyid="<identity>#<thumbprint>"``), the algorithm is the key's. 4. A nonce is remembered only for
signatures that hold, so strangers cannot fill the memory.
Standard: RFC 9421 (a strict subset), RFC 9530 (Content-Digest, SHA-256).
Does not: decide what that party may read.
"""

from __future__ import annotations

import binascii
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Protocol

from kizuna.model.errors import Malformed, Refused, Tampered, Unavailable
from kizuna.model.identifier import SubjectId, canonical
from kizuna.roots.keys import PublicKey, verify
from kizuna.roots.units import Handle, Unit

__all__ = [
    "COVERED",
    "LIFETIME",
    "TAG",
    "NonceMemory",
    "Nonces",
    "Request",
    "RequestSigner",
    "is_signed",
    "sign_request",
    "signature_base",
    "verify_request",
]

COVERED: Final = ("@method", "@authority", "@path", "@query", "content-digest")
"""What every signature covers; more header fields may be."""

LIFETIME: Final = 300
"""Longest time between ``created`` and ``expires``, in seconds; also the allowed skew of clocks."""

TAG: Final = "kizuna-read"

MAX_NONCES: Final = 200_000
MAX_FIELD: Final = 8192
MAX_COVERED: Final = 24

FindKey = Callable[[SubjectId, bytes], PublicKey | None]
"""The key of an identity by its thumbprint, if it may be used now."""

_LABEL: Final = r"[a-z*][a-z0-9_.*-]{0,63}"
_STRING: Final = r'"[\x20\x21\x23-\x5b\x5d-\x7e]{0,2300}"'
_MEMBER: Final = re.compile(
    rf'({_LABEL})=(\((?:"[a-z0-9@_.*-]{{1,64}}"(?: "[a-z0-9@_.*-]{{1,64}}")*)?\)'
    rf"((?:;[a-z]{{1,16}}=(?:[0-9]{{1,12}}|{_STRING}))*))"
)
_PARAMETER: Final = re.compile(rf";([a-z]{{1,16}})=([0-9]{{1,12}}|{_STRING})")
_SIGNATURE: Final = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/=]{{1,1024}}):")
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The parts of a request that a signature covers. ``headers`` by lower-case name."""

    method: str
    authority: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestSigner:
    """Who signed a request, and with which key."""

    identity: SubjectId
    thumbprint: bytes


class NonceMemory(Protocol):
    """Remembers nonces; ``take`` says whether one is new, for all who share the memory."""

    def take(self, key_id: str, nonce: str, expires: int, now: int) -> bool:
        """Whether this nonce is new; it is remembered until ``expires``."""
        ...


class Nonces:
    """The nonces seen lately by one process. Owner of its state; safe to share between threads."""

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._limit = limit
        self._seen: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    @property
    def remembered(self) -> int:
        """How many nonces are remembered now."""
        return len(self._seen)

    def take(self, key_id: str, nonce: str, expires: int, now: int) -> bool:
        """Whether this nonce is new; it is remembered until ``expires``.

        Raises:
            Unavailable: ``identity.request-busy`` when too many live nonces are remembered.
        """
        with self._lock:
            if len(self._seen) >= self._limit:
                self._seen = {name: end for name, end in self._seen.items() if end >= now}
                if len(self._seen) >= self._limit:
                    raise Unavailable(
                        "identity.request-busy",
                        "too many signed requests are under way",
                        hint="try again in some minutes",
                        limit=self._limit,
                    )
            if self._seen.get((key_id, nonce), -1) >= now:
                return False
            self._seen[key_id, nonce] = expires
            return True


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request claims to be signed; ``headers`` by lower-case name."""
    return "signature-input" in headers or "signature" in headers


def sign_request(
    unit: Unit,
    handle: Handle,
    request: Request,
    *,
    identity: str,
    created: int,
    nonce: str,
    lifetime: int = 60,
) -> dict[str, str]:
    """The headers to add: ``Content-Digest``, ``Signature-Input`` and ``Signature``.

    Args:
        unit: where the key lives.
        handle: the key.
        request: what is going to be sent.
        identity: whose key it is.
        created: now, in seconds since 1970.
        nonce: at least 16 characters from a source of randomness, used once.
        lifetime: seconds that the signature counts.

    Raises:
        Malformed: ``identity.request-malformed`` for a nonce or lifetime that no server takes.
    """
    if not 0 < lifetime <= LIFETIME or not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", nonce):
        raise _malformed("the nonce has 16 to 128 plain characters, the lifetime 1 to 300 seconds")
    digest = f"sha-256=:{b64encode(sha256(request.body).digest()).decode()}:"
    covered = " ".join(f'"{name}"' for name in COVERED)
    parameters = (
        f"({covered});created={created};expires={created + lifetime}"
        f';nonce="{nonce}";keyid="{canonical(identity)}#{handle.id}";tag="{TAG}"'
    )
    whole = Request(
        method=request.method,
        authority=request.authority,
        path=request.path,
        query=request.query,
        headers={**request.headers, "content-digest": digest},
    )
    signature = unit.sign(handle, signature_base(whole, COVERED, parameters))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig={parameters}",
        "Signature": f"sig=:{b64encode(signature).decode()}:",
    }


def verify_request(
    request: Request, find_key: FindKey, *, now: int, nonces: NonceMemory
) -> RequestSigner:
    """Who signed ``request``.

    Raises:
        Malformed: ``identity.request-malformed``, ``identifier.*``.
        Refused: ``identity.request-unsigned``, ``identity.request-expired``,
            ``identity.request-replayed``, ``identity.request-key``.
        Tampered: ``identity.request-digest``, ``identity.request-signature``.
        Unavailable: ``identity.request-busy``.
    """
    covered, written, parameters, signature = _signature_of(request.headers)
    if not set(COVERED) <= set(covered) or len(set(covered)) != len(covered):
        raise _malformed(f"the signature must cover {', '.join(COVERED)}, each once")
    created, expires = parameters.get("created", ""), parameters.get("expires", "")
    nonce, key_id = parameters.get("nonce", ""), parameters.get("keyid", "")
    if not created.isdigit() or not expires.isdigit() or not 16 <= len(nonce) <= 128:
        raise _malformed("created, expires and a nonce of 16 to 128 characters are needed")
    identity, _, thumbprint = key_id.rpartition("#")
    if not re.fullmatch(r"[0-9a-f]{64}", thumbprint) or canonical(identity) != identity:
        raise _malformed("keyid must be <identity>#<thumbprint in hexadecimal>")
    begin, end = int(created), int(expires)
    if not begin <= end <= begin + LIFETIME or not begin - LIFETIME <= now <= end:
        raise Refused(
            "identity.request-expired",
            "the request's signature is not of now",
            why=f"it counts from {begin} to {end}, and at most {LIFETIME} seconds; now is {now}",
            hint="set the clock and sign the request again",
            begin=begin,
            end=end,
            now=now,
        )
    if not _digest_fits(request):
        raise Tampered(
            "identity.request-digest",
            "the body is not the one that was signed",
            hint="send the request as it was signed",
        )
    signer = RequestSigner(SubjectId(identity), bytes.fromhex(thumbprint))
    key = find_key(signer.identity, signer.thumbprint)
    if key is None or key.thumbprint != signer.thumbprint:
        raise Refused(
            "identity.request-key",
            "the request is signed with a key that is not known here as that party's",
            hint="sign with a current key of the identity",
            identity=identity[:120],
            key=thumbprint,
        )
    if not verify(key, signature, signature_base(request, covered, written)):
        raise Tampered(
            "identity.request-signature",
            "the request's signature does not hold",
            why="method, address, query or body were changed, or another key signed",
            hint="sign the request as it is sent, with the server's own host name",
            identity=identity[:120],
        )
    # a clock that runs ahead may sign for later: remember as long as the signature could count
    if not nonces.take(key_id, nonce, end, now):
        raise Refused(
            "identity.request-replayed",
            "this signed request was here before",
            hint="sign every request anew, with a fresh nonce",
        )
    return signer


def signature_base(request: Request, covered: Sequence[str], parameters: str) -> bytes:
    """The bytes that the signature covers (RFC 9421 section 2.5).

    Raises:
        Malformed: ``identity.request-malformed`` for a component that is absent or not supported.
    """
    lines = [f'"{name}": {_component(request, name)}' for name in covered]
    lines.append(f'"@signature-params": {parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as fault:
        raise _malformed("a covered component is not ASCII") from fault


def _component(request: Request, name: str) -> str:
    match name:
        case "@method":
            return request.method
        case "@authority":
            return request.authority.lower()
        case "@path":
            return request.path or "/"
        case "@query":
            return "?" + request.query.removeprefix("?")
        case _:
            value = request.headers.get(name)
            if name.startswith("@") or value is None:
                raise _malformed(f"component {name[:40]!r} is absent or not supported")
            if "\n" in value or "\r" in value:
                raise _malformed(f"header {name[:40]!r} breaks its line")
            return value.strip(" \t")


def _signature_of(headers: Mapping[str, str]) -> tuple[list[str], str, dict[str, str], bytes]:
    """Covered components, the parameters as written and by name, and the signature with our tag."""
    listed, signatures = headers.get("signature-input"), headers.get("signature")
    if listed is None or signatures is None:
        raise Refused(
            "identity.request-unsigned",
            "this can be read with a signed request only",
            why="it is restricted to parties named in it",
            hint="sign the request (RFC 9421) with a key of a permitted party",
        )
    if len(listed) > MAX_FIELD or len(signatures) > MAX_FIELD:
        raise _malformed("a signature header is too long")
    for match in _members(listed, _MEMBER):
        label, written, tail = match[1], match[2], match[3]
        parameters: dict[str, str] = {}
        for name, value in _PARAMETER.findall(tail):
            if name in parameters:
                raise _malformed(f"parameter {name} stands twice")
            parameters[name] = value.strip('"')
        if parameters.get("tag") != TAG:
            continue
        covered = re.findall(r'"([^"]*)"', written[: len(written) - len(tail)])
        if len(covered) > MAX_COVERED:
            raise _malformed(f"at most {MAX_COVERED} covered components")
        for found in _members(signatures, _SIGNATURE):
            if found[1] == label:
                return covered, written, parameters, _base64(found[2])
    raise _malformed(f'no signature with tag="{TAG}"')


def _members(text: str, shape: re.Pattern[str]) -> list[re.Match[str]]:
    """The members of a dictionary field, each of the one shape that is understood here."""
    members: list[re.Match[str]] = []
    at, text = 0, text.strip(" \t")
    while True:
        match = shape.match(text, at)
        if match is None or any(other[1] == match[1] for other in members):
            raise _malformed("Signature-Input or Signature is not of the shape of RFC 9421")
        members.append(match)
        at = match.end()
        if at == len(text):
            return members
        comma = _COMMA.match(text, at)
        if comma is None:
            raise _malformed("Signature-Input or Signature is not of the shape of RFC 9421")
        at = comma.end()


def _digest_fits(request: Request) -> bool:
    match = _DIGEST.search(request.headers.get("content-digest", ""))
    return match is not None and compare_digest(_base64(match[1]), sha256(request.body).digest())


def _base64(text: str) -> bytes:
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise _malformed("not base64") from fault


def _malformed(why: str) -> Malformed:
    return Malformed(
        "identity.request-malformed",
        f"the request's signature cannot be read: {why}",
        why=why,
        hint="sign as RFC 9421 says, with the components and parameters named in the manual",
        fault=why,
    )
