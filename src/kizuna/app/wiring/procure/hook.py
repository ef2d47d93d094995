# SPDX-License-Identifier: Apache-2.0
"""Telling product systems that an answer changed: signed, bounded, only where the operator said.

Keeps: 1. Only addresses in the operator's own file are told; none comes from a request, a document
or the network. 2. The name is resolved once and that address is connected to: no second look-up
can lead elsewhere. Loopback, private and other special addresses are refused unless the operator
allowed that very hook to be inside; plain http is for those alone. 3. Redirects are not followed,
proxies of the environment are not used, answers are read to a bound and thrown away. 4. Few
attempts, each bounded in time. 5. The body is a JWS by the organisation's key, with audience, time
and a number used once: a receiver can tell it from a forgery and from a replay.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.network import Deadline
from kizuna.model.errors import Absent, Malformed, Misconfigured, Refused, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Hook", "Told", "add_hook", "allowed_address", "deliver", "hooks", "remove_hook"]

_TRIES: Final = 3
_TIMEOUT: Final = 10.0
_WHOLE: Final = 20.0
_PAUSES: Final = (1.0, 4.0)
_LIFE: Final = 300
_ANSWER: Final = 16 << 10
_MOST: Final = 20
_TYPE: Final = "kizuna-procurement+jwt"
_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6: what lies beside it may lead to an address of IPv4 inside."""

Resolve = Callable[[str, int], Iterable[str]]


class Hook(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One address that the operator wants to be told at."""

    url: Annotated[str, Meta(max_length=2048)]
    inside: bool = False
    """True where it may be a private or loopback address, and plain http."""


class Told(Struct, frozen=True, kw_only=True):
    """What became of one telling."""

    url: str
    status: int
    tries: int
    problem: str = ""


def hooks(workspace: Workspace) -> list[Hook]:
    """The hooks of the operator's file.

    Raises:
        Misconfigured: ``procure.hooks-unreadable``.
    """
    try:
        return msgspec.json.decode(_file(workspace).read_bytes(), type=list[Hook])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as fault:
        raise Misconfigured(
            "procure.hooks-unreadable",
            "the file of hooks cannot be read",
            why=str(fault),
            hint="mend or remove hooks.json in the store's folder",
            path=str(_file(workspace)),
        ) from fault


def add_hook(workspace: Workspace, url: str, *, inside: bool = False) -> list[Hook]:
    """Tell this address from now on.

    Raises:
        Malformed: ``procure.hook-address``, ``procure.too-many-hooks``.
    """
    _parts(url, inside=inside)
    have = [one for one in hooks(workspace) if one.url != url]
    if len(have) >= _MOST:
        raise Malformed(
            "procure.too-many-hooks", f"at most {_MOST} hooks", hint="remove one", limit=_MOST
        )
    return _write(workspace, [*have, Hook(url=url, inside=inside)])


def remove_hook(workspace: Workspace, url: str) -> list[Hook]:
    """Tell this address no more.

    Raises:
        Absent: ``procure.no-hook``.
    """
    have = hooks(workspace)
    left = [one for one in have if one.url != url]
    if len(left) == len(have):
        raise Absent(
            "procure.no-hook",
            f"no hook {url[:120]}",
            hint="`kizuna procure hook` lists them",
            url=url[:120],
        )
    return _write(workspace, left)


def deliver(
    workspace: Workspace,
    hook: Hook,
    event: dict[str, Any],
    *,
    resolve: Resolve | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Told:
    """Tell one hook; what goes wrong is in the answer and is never raised."""
    tries, problem, status = 0, "", 0
    for tries in range(1, _TRIES + 1):
        try:
            status = _post(hook, _body(workspace, hook, event), resolve or _resolve)
        except (Refused, Malformed) as fault:
            return Told(url=hook.url, status=0, tries=tries, problem=fault.code)
        except Unavailable as fault:
            problem = fault.code
        else:
            if 200 <= status < 300:
                return Told(url=hook.url, status=status, tries=tries)
            problem = "procure.hook-answer"
            if status < 500 and status != 429:
                break  # it will say the same again; a redirect is no address of the operator's
        if tries < _TRIES:
            pause(_PAUSES[tries - 1])
    return Told(url=hook.url, status=status, tries=tries, problem=problem)


def allowed_address(text: str, *, inside: bool) -> bool:
    """Whether a resolved address may be connected to."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        for inner in (address.ipv4_mapped, address.sixtofour, _nat64(address)):
            if inner is not None:
                return allowed_address(str(inner), inside=inside)
        if not inside and address not in _PUBLIC:
            return False
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False  # link-local: where clouds keep their secrets
    return inside or address.is_global


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _body(workspace: Workspace, hook: Hook, event: dict[str, Any]) -> bytes:
    from kizuna.roots.jws import sign_jws

    now = workspace.clock()
    words = {
        "iss": workspace.identity,
        "aud": hook.url,
        "iat": now,
        "exp": now + _LIFE,
        "jti": secrets.token_urlsafe(16),
        "event": event,
    }
    payload = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
    return sign_jws(
        workspace.unit, workspace.handle, payload, {"typ": _TYPE, "iss": workspace.identity}
    )


def _post(hook: Hook, body: bytes, resolve: Resolve) -> int:
    host, port, secure, target = _parts(hook.url, inside=hook.inside)
    addresses = list(resolve(host, port))
    # one bad address is enough: a name that also leads inside is not the operator's to trust
    if not addresses or not all(allowed_address(a, inside=hook.inside) for a in addresses):
        raise Refused(
            "procure.hook-inside",
            f"{host} leads to an address that no hook may have",
            why="loopback, private and special addresses are refused",
            hint="allow it with --inside where it is a system of your own",
            host=host,
        )
    connection = _Pinned(host, port, addresses[0], secure=secure)
    try:
        with Deadline(_WHOLE) as deadline:
            connection.connect()
            deadline.hold(connection.sock)
            connection.request("POST", target, body, {"Content-Type": "application/jose"})
            answer = connection.getresponse()
            answer.read(_ANSWER)
    except (OSError, http.client.HTTPException) as fault:
        raise Unavailable(
            "procure.hook-unreachable",
            f"cannot reach {host}",
            why=str(fault) or type(fault).__name__,
            hint="check the address and the network",
            host=host,
        ) from fault
    finally:
        connection.close()
    return answer.status


class _Pinned(http.client.HTTPConnection):
    """A connection to one resolved address, under the name that was asked for."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=_TIMEOUT)
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        """Connect to the address that was looked at, and to no other."""
        plain = socket.create_connection((self._address, self.port), _TIMEOUT)
        if self._secure:
            context = ssl.create_default_context()
            try:
                self.sock = context.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
        else:
            self.sock = plain


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:  # a label that no name can have is a UnicodeError
        raise Unavailable(
            "procure.hook-unreachable",
            f"cannot find {host}",
            why=str(fault),
            hint="check the address and the network",
            host=host,
        ) from fault
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _parts(url: str, *, inside: bool) -> tuple[str, int, bool, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as fault:
        raise _no_address(url) from fault
    secure = parts.scheme == "https"
    if (
        not (secure or (inside and parts.scheme == "http"))
        or not parts.hostname
        or parts.username
        or parts.fragment
        or not url.isascii()
        or any(ord(c) <= 32 for c in url)
    ):
        raise _no_address(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or (443 if secure else 80), secure, target


def _no_address(url: str) -> Malformed:
    return Malformed(
        "procure.hook-address",
        f"not an address for a hook: {url[:120]!r}",
        hint="write it as https://host/path; http is only for --inside",
        url=url[:120],
    )


def _file(workspace: Workspace) -> Path:
    return workspace.path / "hooks.json"


def _write(workspace: Workspace, have: list[Hook]) -> list[Hook]:
    write_whole(_file(workspace), msgspec.json.format(msgspec.json.encode(have), indent=2) + b"\n")
    return have
