# SPDX-License-Identifier: Apache-2.0
"""Publishing lists of this organisation as others read them: ETSI TS 119 602, JSON in JAdES.

::

    published/<digest of its name>/etsi-602        the issue that is served
    published/<digest of its name>/etsi-602.json   its number, times, and what it rests on

Keeps: 1. Every issue is registered before it is served, with its number and its digest: an issue
that was made later, or twice under one number, shows in the log. 2. A number is never used again,
also after a crash. 3. Nothing changed and the issue still young: the same bytes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.lists.own import TrustLists
from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Absent, Malformed, Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Membership, Reference, Standing
from kizuna.record.lists import ListState
from kizuna.record.lists.etsi602 import LIST_MEDIA_TYPE, STANDARD
from kizuna.record.lists.etsi602_written import Scheme, write_lote
from kizuna.record.lists.foreign import iso
from kizuna.record.log.keys import subject_key
from kizuna.roots.certified import operator_certificate, to_pem
from kizuna.roots.identity import KeyHistory, genesis_keys, key_event, pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["DAYS", "ISSUE", "Published", "Publishing"]

ISSUE: Final = "list-issue"
"""Type of the evidence that registers an issue, about the list's own name."""
DAYS: Final = 7
"""How long an issue is good for, unless its operator says otherwise."""
_FOLDER: Final = "published"


class Published(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An issue that is served."""

    list_id: str
    name: str
    sequence: int
    issued: int
    next_update: int
    document: str
    statement: str
    rests_on: str
    """Digest of the entries and options it was made from."""
    members: int
    certificate: str = ""


class Publishing:
    """The published lists of one store."""

    def __init__(self, workspace: Owner, lists: TrustLists) -> None:
        self._workspace = workspace
        self._lists = lists

    def publish(
        self,
        list_name: str | None = None,
        *,
        days: int = DAYS,
        until: int | None = None,
        territory: str = "",
        address: str = "",
        again: bool = False,
    ) -> tuple[bytes, dict[str, Any]]:
        """The issue as of now: its bytes, and what is told of it.

        Args:
            list_name: which list; the store's own by default.
            days: until its next update is due.
            until: the instant at which it is, instead of ``days``.
            territory: country of the scheme (two letters, or EU).
            address: where it will be served.
            again: a new issue though nothing changed.

        Raises:
            Refused: ``list.not-ours``. Malformed: ``list.territory``, ``list.days``.
        """
        anchor = self._lists.anchor(list_name)
        if anchor.operator != self._workspace.identity:
            raise Refused(
                "list.not-ours",
                f"{anchor.name} is not written here",
                why="somebody else operates it, or it follows another list",
                hint="only its operator can change it; `kizuna list take` follows another list",
                name=anchor.name,
            )
        now = self._workspace.clock()
        due = now + days * 86_400 if until is None else until
        if not now < due <= now + 366 * 86_400:
            days = (due - now) // 86_400
            raise Malformed(
                "list.days", f"{days} days", hint="an issue is good for 1 to 366 days", days=days
            )
        if territory and not (len(territory) == 2 and territory.isascii() and territory.isupper()):
            raise Malformed(
                "list.territory",
                f"no country: {territory[:20]!r}",
                hint="two capital letters (ISO 3166-1), or EU",
                territory=territory[:20],
            )
        state = self._lists.state(anchor.name)
        basis = self._basis(state, days if until is None else until, territory, address)
        kept = self.current(anchor.id)
        if kept is not None and not again:
            young = now < kept[0].issued + (kept[0].next_update - kept[0].issued) // 2
            if young and kept[0].rests_on == basis:
                return kept[1], {**self._told(kept[0], kept[1]), "unchanged": True}
        certificate = self.certificate(territory)
        scheme = Scheme(
            list_id=SubjectId(anchor.id),
            operator=self._workspace.name,
            title=anchor.title or anchor.name,
            sequence=self._last_sequence(anchor.id) + 1,
            issued=now,
            next_update=due,
            territory=territory,
            locations=(address,) if address else (),
        )
        data = write_lote(
            self._workspace.unit,
            self._workspace.handle,
            state,
            scheme,
            keys=self._keys(state),
            certificate=certificate,
        )
        document = sha256(data).hexdigest()
        statement = self._register(anchor.id, scheme, document)
        made = Published(
            list_id=anchor.id,
            name=anchor.name,
            sequence=scheme.sequence,
            issued=now,
            next_update=scheme.next_update,
            document=document,
            statement=statement,
            rests_on=basis,
            members=len(state.in_force(now)),
        )
        folder = self._folder(anchor.id)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "etsi-602", data)
        write_whole(folder / "etsi-602.json", msgspec.json.encode(made))
        return data, {**self._told(made, data), "unchanged": False}

    def current(self, list_id: str) -> tuple[Published, bytes] | None:
        """The issue that is served; None where there is none, or it is not what was registered."""
        folder = self._folder(list_id)
        try:
            made = msgspec.json.decode((folder / "etsi-602.json").read_bytes(), type=Published)
            data = (folder / "etsi-602").read_bytes()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return (made, data) if sha256(data).hexdigest() == made.document else None

    def served(self, list_name: str | None) -> tuple[Published, bytes]:
        """The issue that is served.

        Raises:
            Absent: ``list.unknown``, ``list.not-published``.
        """
        anchor = self._lists.anchor(list_name)
        found = self.current(anchor.id)
        if found is None:
            raise Absent(
                "list.not-published",
                f"the list {anchor.name} has no issue",
                hint="`kizuna list publish` makes one",
                name=anchor.name,
            )
        return found

    def certificate(self, territory: str = "") -> bytes:
        """The certificate (DER) that issues carry: made once for a key, name and country, and kept,
        so that whoever pinned it goes on knowing the issues.
        """
        workspace = self._workspace
        words = f"{workspace.handle.id}/{territory}/{workspace.name}"
        file = workspace.path / _FOLDER / f"{sha256(words.encode()).hexdigest()[:32]}.der"
        now = workspace.clock()
        try:
            written = file.stat().st_mtime
            if now - written < _CERTIFICATE_DAYS * 86_400 // 2:
                return file.read_bytes()
        except FileNotFoundError:
            pass
        der = operator_certificate(
            workspace.unit,
            workspace.handle,
            workspace.name,
            territory,
            begins=now - 300,
            days=_CERTIFICATE_DAYS,
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, der)
        return der

    def certificate_pem(self, territory: str = "") -> bytes:
        """The certificate as readers pin it."""
        return to_pem(self.certificate(territory))

    # --- inside -------------------------------------------------------------------------------

    def _folder(self, list_id: str) -> Path:
        return self._workspace.path / _FOLDER / sha256(list_id.encode()).hexdigest()[:32]

    def _basis(self, state: ListState, days: int, territory: str, address: str) -> str:
        newest = max((e.index for e in state.entries.values()), default=-1)
        words = [state.list_id, newest, days, territory, address, self._workspace.handle.id]
        # an entry that ends by itself changes the issue though nobody wrote anything
        words.append(len(state.in_force(self._workspace.clock())))
        return sha256(msgspec.json.encode(words)).hexdigest()

    def _keys(self, state: ListState) -> Mapping[SubjectId, tuple[PublicKey, ...]]:
        """The keys that may sign for each member now, by its key events."""
        reader = self._workspace.store.reader()
        members = list(state.entries)
        found: dict[SubjectId, tuple[PublicKey, ...]] = {}
        rows = reader.by_keys([subject_key(m) for m in members])
        for member in members:
            try:
                genesis = genesis_keys(member)
            except Problem:
                genesis = ()
            history = KeyHistory.of(member, genesis)
            for row in rows.get(subject_key(member), ()):
                said = row.statement.payload
                if (
                    isinstance(said, Membership)
                    and said.list_id == state.list_id
                    and said.state is Standing.GRANTED
                    and row.statement.issuer == state.operator
                ):
                    for pin in pinned_keys(said.keys):
                        history = history.pin(pin, row.index)
                event = key_event(row)
                if event is not None and event.identity == member:
                    history = history.apply(event, superior=event.issuer == state.operator)
            found[member] = history.current(reader.size)
        return found

    def _last_sequence(self, list_id: str) -> int:
        key = subject_key(SubjectId(list_id))
        numbers = [
            said.claims.get("sequence", 0)
            for row in self._workspace.store.reader().by_keys([key]).get(key, ())
            if row.statement.issuer == self._workspace.identity
            and isinstance(said := row.statement.payload, Claim)
            and said.type == ISSUE
        ]
        return max((n for n in numbers if type(n) is int), default=0)

    def _register(self, list_id: str, scheme: Scheme, document: str) -> str:
        claim = Claim(
            type=ISSUE,
            claims={
                "sequence": scheme.sequence,
                "issued": iso(scheme.issued),
                "next-update": iso(scheme.next_update),
                "standard": STANDARD,
            },
            evidence=[Reference(sha256=document, media_type=LIST_MEDIA_TYPE)],
        )
        signed = self._workspace.sign(Kind.EVIDENCE, SubjectId(list_id), claim)
        digest, _ = self._workspace.register_one(signed)
        return digest

    def _told(self, made: Published, data: bytes) -> dict[str, Any]:
        return {
            "list": made.name,
            "id": made.list_id,
            "standard": STANDARD,
            "sequence": made.sequence,
            "issued": iso(made.issued),
            "next_update": iso(made.next_update),
            "members": made.members,
            "bytes": len(data),
            "document": made.document,
            "statement": made.statement,
        }


_CERTIFICATE_DAYS: Final = 1_095
