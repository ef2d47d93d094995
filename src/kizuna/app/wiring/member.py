# SPDX-License-Identifier: Apache-2.0
"""A small business without a store of its own: an identity here, its statements elsewhere.

Keeps: 1. The key is made here and stays here; what travels are signed statements. 2. ``join``
leaves nothing behind when the other side refuses. 3. The store's answer is checked: a receipt is
for the statement that was sent. 4. The store is not asked for verdicts but for proof, judged here
with anchors of one's own: at first the store's own list and log, as they were when it was joined.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlencode, urlsplit

import msgspec

from kizuna.app.wiring.construction import checked_name, new_identity
from kizuna.app.wiring.folder import Description, Folder, write_whole
from kizuna.app.wiring.importing import outcome_of, prepare, read_all, seal
from kizuna.app.wiring.network import ask, checked_url, fetch
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import ImportOutcome, Progress, quiet
from kizuna.model.errors import Malformed, Misconfigured, Problem, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Payload, encode_payload
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.roots.http_signatures import Request
    from kizuna.roots.units import Handle, Unit

__all__ = ["Member", "Publisher", "member_of", "publisher"]

_BATCH = 500
_JOINED = "joined"
"""What the list of the store that was joined is called in a member's anchors."""


class Publisher(Protocol):
    """Whoever can publish documents: an organisation with its store, or a member of another."""

    def publish(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Read, sign, register."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class _Registered:
    """What the other side answered for one statement."""

    def __init__(self, told: dict[str, Any], problem: Problem | None) -> None:
        self.problem = problem
        self.digest = Digest(bytes.fromhex(told["digest"])) if told.get("digest") else Digest(b"")
        self.index = int(told.get("index") or 0)
        self.duplicate = bool(told.get("duplicate"))


class Member:
    """An organisation that publishes in somebody else's store."""

    def __init__(self, settings: Settings, folder: Folder, description: Description) -> None:
        self.settings = settings
        self.folder = folder
        self.name = description.name
        self.identity = SubjectId(description.organization)
        self.url = description.url
        self.origin = description.origin
        self._key = description.key
        self._unit: Unit | None = None

    @classmethod
    def join(
        cls, path: str | Path, url: str, invite: str, name: str, *, settings: Settings
    ) -> Self:
        """Make an identity and enter it in a store by its invitation.

        Raises:
            Refused: ``store.exists``, and what the other side refuses with.
            Unavailable: ``request.*``.
        """
        address = checked_url(url)
        name = checked_name(name)
        folder = Folder(path)
        folder.prepare()
        try:
            unit, handle, identity = new_identity(folder, settings)
            told = _post(
                f"{address}/api/join",
                {"invite": invite.strip(), "identity": identity, "name": name},
                lambda request: _signature(request, unit, handle, identity, settings.clock()),
            )
            origin = str(told.get("store", {}).get("origin", ""))
            description = Description(
                format=1,
                kind="member",
                name=name,
                organization=identity,
                key=handle.id,
                origin=origin,
                url=address,
            )
            anchors = _anchors_of(told, address, identity)
        except BaseException:
            folder.abandon()
            raise
        write_whole(folder.trust_file, msgspec.json.format(anchors.to_json(), indent=2) + b"\n")
        folder.write_description(description)
        member = cls(settings, folder, description)
        member._unit = unit
        return member

    def publish(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Read documents, sign what they say, register it in the store that was joined."""
        unit, handle = self._signer()
        prepared = prepare(
            read_all(files, self.identity),
            unit=unit,
            handle=handle,
            issuer=self.identity,
            now=self.settings.clock(),
            progress=progress,
        )
        results: list[_Registered] = []
        receipts: list[bytes] = []
        total = len(prepared.statements)
        for start in range(0, total, _BATCH):
            part = prepared.statements[start : start + _BATCH]
            told = self._send(part, list(prepared.documents.values()))
            for statement, answer in zip(part, told, strict=True):
                result, receipt = _checked(statement, answer, self._earlier)
                results.append(result)
                if receipt is not None:
                    receipts.append(receipt)
            progress("phase.registering", len(results), total)
        return outcome_of(prepared, results, receipts)

    def claim(self, kind: Kind, subject: SubjectId, payload: Payload) -> tuple[str, int]:
        """Say one thing in the store that was joined: digest (hex) and place in the log there.

        Raises:
            Refused: what the other side refuses with. Unavailable: ``request.*``.
        """
        unit, handle = self._signer()
        signed = seal(
            unit,
            handle,
            issuer=self.identity,
            subject=subject,
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            now=self.settings.clock(),
        )
        (answer,) = self._send([signed.statement], list(signed.documents.values()))
        result, _ = _checked(signed.statement, answer, self._earlier)
        if result.problem is not None:
            raise result.problem
        return result.digest.hex(), result.index

    def verify(
        self,
        subject: SubjectId,
        profile: Profile,
        *,
        at: int | None = None,
        lists: Sequence[str] | None = None,
    ) -> tuple[Verdict, dict[str, str]]:
        """Fetch the proof from the store that was joined and judge it here; names for people.

        Raises:
            Absent: ``profile.unknown`` where the store has no profile of that name.
            Unavailable: ``request.*``. Malformed, Tampered: ``bundle.*``.
        """
        from kizuna.app.wiring.offline import judge_with_names

        try:
            trust = self.folder.trust_file.read_bytes()
        except FileNotFoundError:
            trust = None
        return judge_with_names(
            self._fetch("/api/export", urlencode({"subject": subject, "profile": profile.name})),
            profile,
            trust,
            subject=subject,
            at=self.settings.clock() if at is None else at,
            lists=lists,
        )

    def _fetch(self, path: str, query: str = "") -> bytes:
        from kizuna.roots.http_signatures import Request

        url = f"{self.url}{path}" + (f"?{query}" if query else "")
        parts = urlsplit(url)
        request = Request(method="GET", authority=parts.netloc, path=parts.path, query=parts.query)
        unit, handle = self._signer()
        return fetch(url, _signature(request, unit, handle, self.identity, self.settings.clock()))

    def _earlier(self, digest: str) -> bytes:
        """A statement that the store says it had already."""
        return self._fetch(f"/api/statements/{digest}/transparent")

    def _send(self, statements: list[bytes], documents: list[bytes]) -> list[dict[str, Any]]:
        from kizuna.roots.cose import encode

        told = ask(
            "POST",
            f"{self.url}/api/statements?receipts=1",
            encode({"statements": statements, "documents": documents}),
            {"content-type": "application/cbor", "accept": "application/json"},
        )
        results = told.get("results") if isinstance(told, dict) else None
        if not isinstance(results, list) or len(results) != len(statements):
            raise Malformed(
                "request.answer",
                f"{self.url} answered with something else than one result a statement",
                hint="check that this is the address of a kizuna store",
                url=self.url,
            )
        return results

    def _signer(self) -> tuple[Unit, Handle]:
        if self._unit is None:
            self._unit = self.folder.open_unit(self.settings.passphrase)
        for handle in self._unit.handles():
            if handle.id == self._key:
                return self._unit, handle
        raise Misconfigured(
            "store.key-missing",
            "the organisation's key is not among the keys of this folder",
            hint="restore the key file from a backup",
            path=str(self.folder.keys),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is held open."""


def member_of(settings: Settings) -> Member | None:
    """The member whose folder this is; None where it is a store's, or nobody's."""
    folder = Folder(settings.store)
    if not folder.exists():
        return None
    description = folder.describe()
    return Member(settings, folder, description) if description.kind == "member" else None


def publisher(settings: Settings) -> Publisher:
    """Whoever publishes from this folder.

    Raises:
        Misconfigured: ``store.absent``.
    """
    folder = Folder(settings.store)
    description = folder.describe()
    if description.kind == "member":
        return Member(settings, folder, description)
    from kizuna.app.wiring.workspace import Workspace

    return Workspace.open(settings=settings)


def _anchors_of(told: Mapping[str, Any], address: str, identity: SubjectId) -> Anchors:
    """Whom somebody who joins a store believes at first: that store's own list and log."""
    try:
        store = told["store"]
        return Anchors(
            lists=[
                ListAnchor(
                    id=canonical(store["list"]),
                    operator=canonical(store["organization"]),
                    name=_JOINED,
                    title=str(store["name"])[:4000],
                )
            ],
            logs=[
                LogAnchor(
                    origin=str(store["origin"]),
                    keys=[str(key) for key in store["log_keys"]],
                    url=address,
                )
            ],
            verifier=identity,
        )
    except (KeyError, TypeError, Malformed) as fault:
        raise Malformed(
            "request.answer",
            f"{address} does not say which list and log are its own",
            hint="check that this is the address of a kizuna store",
            url=address,
        ) from fault


def _signature(
    request: Request, unit: Unit, handle: Handle, identity: SubjectId, now: int
) -> dict[str, str]:
    from kizuna.roots.http_signatures import sign_request

    return sign_request(
        unit, handle, request, identity=identity, created=now, nonce=secrets.token_urlsafe(18)
    )


def _post(
    url: str, value: dict[str, Any], sign: Callable[[Request], dict[str, str]]
) -> dict[str, Any]:
    from kizuna.roots.http_signatures import Request

    data = json.dumps(value, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "accept": "application/json"}
    parts = urlsplit(url)
    request = Request(
        method="POST", authority=parts.netloc, path=parts.path, headers=headers, body=data
    )
    told = ask("POST", url, data, {**headers, **sign(request)})
    return told if isinstance(told, dict) else {}


def _checked(
    statement: bytes, answer: dict[str, Any], earlier: Callable[[str], bytes]
) -> tuple[_Registered, bytes | None]:
    from kizuna.roots.cose import parse_sign1

    if not answer.get("digest") or answer.get("code"):
        problem = Refused(
            str(answer.get("code") or "request.failed")[:80],
            str(answer.get("message") or "the store did not take the statement")[:500],
            hint=str(answer.get("hint") or "")[:500],
        )
        return _Registered({}, problem), None
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
    return _Registered(answer, None), receipt
