# SPDX-License-Identifier: Apache-2.0
"""Status lists: what became of every statement of the store, in a file that anybody may keep.

::

    published/status/list.jwt, list.cwt   the issue that is served
    published/status/list.json            its address, times and the place in the log it is as of

Keeps: 1. The index of a statement is its place in the log; what stands there follows from the same
stratum as every verdict. 2. Every issue is registered with its digests before it is served: one
that was made later shows in the log. 3. Checking another's list needs its publisher's key from the
verifier; a list past its end says nothing ("cannot say"), never "valid".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.model.payload import Reference as Cited
from kizuna.record.lists.foreign import iso
from kizuna.record.status import (
    Bits,
    Cache,
    Reference,
    StatusList,
    read_status_list,
    reference_in,
    write_status_list,
)
from kizuna.record.status.bits import Meaning
from kizuna.roots.cose import decode, read_sign1
from kizuna.roots.jws import parse_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object

__all__ = ["CWT", "JWT", "StatusLists", "check_status", "reference_of", "status_of_token"]

STATUS_ISSUE: Final = "status-list-issue"
JWT: Final = "application/statuslist+jwt"
CWT: Final = "application/statuslist+cwt"
WORDS: Final = {0: "valid", 1: "invalid", 2: "suspended"}
_FOLDER: Final = "published/status"


class Issued(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A status list that is served."""

    address: str
    size: int
    bits: int
    issued: int
    expires: int
    jwt: str
    cwt: str
    statement: str


class StatusLists:
    """The status list of one store."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace

    def publish(
        self, *, address: str = "", bits: int = 2, hours: int = 24, again: bool = False
    ) -> dict[str, Any]:
        """Make, register and keep an issue over everything that is registered.

        Args:
            address: where it will be served; remembered.
            bits: 1 (valid or not) or 2 (and suspended).
            hours: until it says nothing any more.
            again: a new issue though nothing changed.

        Raises:
            Malformed: ``status.options``, ``identifier.malformed``.
        """
        kept = self.current()
        address = address or (kept[0].address if kept else "")
        if bits not in (1, 2) or not 0 < hours <= 24 * 31 or not address:
            raise Malformed(
                "status.options",
                "a status list needs its own address, 1 or 2 bits, and 1 to 744 hours",
                why="it names itself, so that none can be put in the place of another",
                hint="for instance --address https://store.example/api/status-list",
            )
        address = canonical(address)
        now = self._workspace.clock()
        size = self._workspace.head().size
        if kept is not None and not again and (kept[0].address, kept[0].bits) == (address, bits):
            # the issue registered itself and a map head: nothing else came since then
            pages = self._workspace.store.reader().all(kept[0].size)
            ours = all(
                row.statement.digest.hex() == kept[0].statement or _is_own(row)
                for page in pages
                for row in page
            )
            if ours and now < kept[0].issued + (kept[0].expires - kept[0].issued) // 2:
                return {**self._told(kept[0], kept[1], kept[2]), "unchanged": True}
        array = self._array(size, bits, now)
        status = StatusList(
            uri=address, bits=array, issued=now, expires=now + hours * 3600, lifetime=hours * 900
        )
        unit, handle = self._workspace.unit, self._workspace.handle
        jwt = write_status_list(unit, handle, status)
        cwt = write_status_list(unit, handle, status, as_cwt=True)
        digests = sha256(jwt).hexdigest(), sha256(cwt).hexdigest()
        claim = Claim(
            type=STATUS_ISSUE,
            claims={
                "address": address,
                "size": size,
                "bits": bits,
                "issued": iso(now),
                "expires": iso(now + hours * 3600),
            },
            evidence=[
                Cited(sha256=digests[0], media_type=JWT),
                Cited(sha256=digests[1], media_type=CWT),
            ],
        )
        signed = self._workspace.sign(Kind.EVIDENCE, SubjectId(address), claim)
        statement, _ = self._workspace.register_one(signed)
        made = Issued(
            address=address,
            size=size,
            bits=bits,
            issued=now,
            expires=now + hours * 3600,
            jwt=digests[0],
            cwt=digests[1],
            statement=statement,
        )
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "list.jwt", jwt)
        write_whole(folder / "list.cwt", cwt)
        write_whole(folder / "list.json", msgspec.json.encode(made))
        return {**self._told(made, jwt, cwt), "unchanged": False}

    def current(self) -> tuple[Issued, bytes, bytes] | None:
        """The issue that is served, as JWT and CWT; None where there is none whole."""
        folder = self._folder()
        try:
            made = msgspec.json.decode((folder / "list.json").read_bytes(), type=Issued)
            jwt, cwt = (folder / "list.jwt").read_bytes(), (folder / "list.cwt").read_bytes()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        whole = (sha256(jwt).hexdigest(), sha256(cwt).hexdigest()) == (made.jwt, made.cwt)
        return (made, jwt, cwt) if whole else None

    def served(self) -> tuple[Issued, bytes, bytes]:
        """The issue that is served.

        Raises:
            Absent: ``status.not-published``.
        """
        found = self.current()
        if found is None:
            raise Absent(
                "status.not-published",
                "this store publishes no status list",
                hint="`kizuna list status publish` makes one",
            )
        return found

    def _folder(self) -> Path:
        return self._workspace.path / _FOLDER

    def _array(self, size: int, width: int, now: int) -> Bits:
        """What became of each statement below ``size``, by the rules of every verdict."""
        from kizuna.chain.graph import Graph
        from kizuna.chain.verify.authority import Authority
        from kizuna.chain.verify.status import REPLACED, REVOKED, SUSPENDED, Statuses

        meaning = {
            REVOKED: Meaning.INVALID,
            REPLACED: Meaning.INVALID,
            SUSPENDED: Meaning.SUSPENDED if width > 1 else Meaning.INVALID,
        }
        reader = self._workspace.store.reader()
        graph = Graph(reader.heads(), reader.view)
        for batch in reader.all():
            graph.add(batch)
        statuses = Statuses(Authority(graph, self._workspace.anchors()), now)
        array = Bits.of_size(max(size, 8), width=width)
        touched = graph.has_status.view.nonzero()[0]
        for row in touched.tolist():
            place = int(graph.index.view[row])
            code = statuses.fate(row).code
            if code in meaning and place < size:
                array[place] = meaning[code]
        return array

    def _told(self, made: Issued, jwt: bytes, cwt: bytes) -> dict[str, Any]:
        return {
            "address": made.address,
            "statements": made.size,
            "bits": made.bits,
            "issued": iso(made.issued),
            "expires": iso(made.expires),
            "jwt_bytes": len(jwt),
            "cwt_bytes": len(cwt),
            "statement": made.statement,
        }


def check_status(
    data: bytes, key: PublicKey, reference: Reference | int, now: int
) -> dict[str, Any]:
    """What a status list says of one thing.

    Args:
        data: the list, JWT or CWT.
        key: its publisher's, from the verifier.
        reference: an index, or what a token says.
        now: seconds since 1970.

    Raises:
        Malformed: ``status.malformed``. Tampered: ``status.signature-wrong``,
        ``status.other-list``. Absent: ``status.beyond``.
    """
    if isinstance(reference, Reference):
        index, found = reference.index, read_status_list(data, key, uri=reference.uri)
    else:
        index, found = reference, read_status_list(data, key)
    value = found.bits[index] if found.fresh(now) and found.issued <= now + 300 else None
    return {
        "address": found.uri,
        "index": index,
        "value": value,
        "status": "undetermined" if value is None else WORDS.get(value, str(value)),
        "issued": iso(found.issued),
        "age": max(0, now - found.issued),
        "expires": None if found.expires is None else iso(found.expires),
    }


def reference_of(token: bytes) -> Reference:
    """The reference inside a credential or token (JWT, CWT, or bare claims in JSON).

    Nothing of the token is believed by this: its own signature is looked at by who takes it in.

    Raises:
        Malformed: ``status.malformed``, ``envelope.*``. Absent: ``status.no-reference``.
    """
    claims: Mapping[Any, Any]
    if token[:1] in (b"\xd2", b"\x84", b"\xd8"):
        content = decode(read_sign1(token).payload or b"")
        claims = content if isinstance(content, dict) else {}
    elif token.lstrip()[:1] == b"{":
        claims = read_object(token, "status.malformed", 1 << 20)
    else:
        bare = token.strip().split(b"~", 1)[0]  # an SD-JWT has its disclosures behind the token
        claims = read_object(parse_jws(bare).payload, "status.malformed", 1 << 20)
    found = reference_in(claims)
    if found is None:
        raise Absent(
            "status.no-reference",
            "the token names no status list",
            hint="its issuer publishes its status by another way, or not at all",
        )
    return found


def status_of_token(
    token: bytes,
    *,
    cache: Cache,
    keys: Mapping[str, Sequence[PublicKey]],
    load: Callable[[str], bytes],
    now: int,
) -> dict[str, Any]:
    """The status of a token, from the cache as long as its list may be used, else fetched.

    Args:
        token: as received.
        cache: lists at hand.
        keys: by address of a list (or a prefix of it), the publisher's keys.
        load: fetches a list; only called for addresses whose key the verifier knows.
        now: seconds since 1970.

    Raises:
        Malformed: ``status.malformed``. Absent: ``status.no-reference``, ``status.no-key``.
    """
    reference = reference_of(token)
    if cache.due(reference.uri, now):
        known = [k for start, ks in keys.items() if _below(reference.uri, start) for k in ks]
        if not known:
            raise Absent(
                "status.no-key",
                f"no key is known for the status list {reference.uri}",
                why="the key in or beside a list is never believed",
                hint="name its publisher's key",
                uri=reference.uri[:200],
            )
        fault: Problem | None = None
        try:
            data = load(reference.uri)
            for key in known:
                try:
                    cache.put(read_status_list(data, key, uri=reference.uri), now=now)
                    fault = None
                    break
                except Problem as problem:
                    fault = problem
        except Problem as problem:
            fault = problem
        if fault is not None and cache.status(reference, now).age is None:
            raise fault  # nothing good is at hand; else the last good one serves, with its age
    found = cache.status(reference, now)
    return {
        "address": reference.uri,
        "index": reference.index,
        "value": found.value,
        "status": (
            "undetermined" if found.value is None else WORDS.get(found.value, str(found.value))
        ),
        "age": found.age,
    }


def _below(uri: str, start: str) -> bool:
    return uri == start or (start.endswith("/") and uri.startswith(start))


def _is_own(row: Any) -> bool:  # noqa: ANN401 - model.statement.Registered
    """What the log says of itself."""
    return bool(row.statement.subject == f"https://{row.origin}")
