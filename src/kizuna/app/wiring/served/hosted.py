# SPDX-License-Identifier: Apache-2.0
"""Hosted signing: an association keeps keys for members who cannot, and signs in their name.

Keeps: 1. A member has a key of its own in the association's unit; one member's key signs for no
other. 2. That the association acts for the member is a link that stands under the member's name,
and rests on a paper that the member signed, by its digest. 3. Every signature goes through the
gate that stands before the association's keys, under the label ``hosted:NAME``. 4. Whoever reads
a statement can ask whether its issuer signed itself or had it signed.
Does not: prove what the member wanted: the association could sign anything. The member can take
its word back only with a key that it keeps itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Link, Links, Membership, Payload, Reference, encode_payload
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.record.store.view import View
    from kizuna.roots.units import Handle

__all__ = ["HOSTING", "Hosted", "signed_for", "with_signers"]

HOSTING: Final = "hosted-signing"
_PREFIX: Final = "hosted:"
_MOST: Final = 512
"""Most subjects, and most issuers, of one answer that are looked at."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


class Hosted:
    """The members whose keys one association keeps."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def members(self) -> list[dict[str, str]]:
        """Who they are, by short name."""
        return [
            {"name": h.label.removeprefix(_PREFIX), "identity": self._identity(h), "key": h.id}
            for h in self._handles()
        ]

    def add(
        self, name: str, paper: bytes, *, title: str | None = None, scope: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Take a member on: a key, an entry in the list, the link, and the paper by its digest.

        Args:
            name: short name of the member here.
            paper: what the member signed: that the association may sign for it.
            title: the member's name as people write it.
            scope: names that it may speak about as their maker; default its own identity.

        Raises:
            Malformed: ``hosted.name``. Refused: ``hosted.taken``.
        """
        workspace = self._workspace
        if not _NAME.fullmatch(name):
            raise Malformed(
                "hosted.name",
                f"not a short name for a member: {name[:60]!r}",
                hint="use letters, digits, dots and dashes, for instance fuji-pumps",
                name=name[:60],
            )
        if any(h.label == _PREFIX + name for h in self._handles()):
            raise Refused(
                "hosted.taken",
                f"there is a member called {name} already",
                hint="choose another short name",
                name=name,
            )
        from kizuna.roots.keys import Algorithm

        handle = workspace.unit.generate(Algorithm.ES256, _PREFIX + name)
        member = self._identity(handle)
        workspace.lists.add(member, roles=["maker"], scope=scope or (member,), name=title or name)
        tie = Link(relation=Relation.ACTS_FOR, subject=workspace.identity, object=member)
        consent = Claim(
            type=HOSTING,
            claims={"by": workspace.identity, "key": handle.id},
            evidence=[
                Reference(
                    sha256=hashlib.sha256(paper).hexdigest(), note="the member's signed consent"
                )
            ],
        )
        said = [
            self._signed(handle, Kind.LINK, member, Links(links=[tie], part="hosting")),
            self._signed(handle, Kind.EVIDENCE, member, consent),
        ]
        for result in workspace.register_each(said):
            if isinstance(result, Exception):
                raise result
        return {"name": name, "identity": member, "key": handle.id, "statements": len(said) + 1}

    def sign(self, name: str, kind: Kind, subject: str, payload: Payload) -> dict[str, Any]:
        """Sign and register in a member's name; ``beyond`` names what no list lets it speak about.

        Raises:
            Absent: ``hosted.unknown``. Refused: ``gate.*`` and what the store refuses.
        """
        handle, identity = self.key_of(name)
        statement = self._signed(handle, kind, canonical(subject), payload)
        digest, index = self._workspace.register_one(statement)
        beyond = self._workspace.beyond([statement])
        return {
            "statement": digest,
            "index": index,
            "issuer": identity,
            "beyond": [str(one) for one in beyond],
        }

    def key_of(self, name: str) -> tuple[Handle, SubjectId]:
        """The key that is kept for a member, and its identity.

        Raises:
            Absent: ``hosted.unknown``.
        """
        handle = next((h for h in self._handles() if h.label == _PREFIX + name), None)
        if handle is None:
            raise Absent(
                "hosted.unknown",
                f"no member is called {name[:60]!r}",
                hint="`kizuna key hosted list` prints them",
                name=name[:60],
            )
        return handle, self._identity(handle)

    def who(self, digest: str) -> dict[str, Any]:
        """Whether a statement's issuer signed it, or an association for it.

        Raises:
            Absent: ``hosted.statement``. Malformed: ``statement.digest``.
        """
        from kizuna.app.wiring.entries import parse_digest
        from kizuna.record.log.keys import subject_key

        reader = self._workspace.store.reader()
        found = reader.by_digests([parse_digest(digest)])
        row = next(iter(found.values()), None)
        if row is None:
            raise Absent(
                "hosted.statement",
                "no such statement here",
                hint="`kizuna log list` shows what is registered",
                statement=digest[:64],
            )
        issuer = row.statement.issuer
        name = subject_key(issuer)
        rows = reader.by_keys([name]).get(name, ())
        for said in rows:
            claim = said.statement.payload
            if (
                isinstance(claim, Claim)
                and claim.type == HOSTING
                and said.statement.issuer == issuer
                and claim.claims.get("key") == row.statement.key_id.hex()
                and claim.claims.get("by") in _entered_by(rows, issuer)
            ):
                return {
                    "statement": digest,
                    "for": issuer,
                    "by": claim.claims.get("by"),
                    "hosted": True,
                    "paper": claim.evidence[0].sha256 if claim.evidence else None,
                }
        return {"statement": digest, "for": issuer, "by": issuer, "hosted": False, "paper": None}

    def _handles(self) -> list[Handle]:
        return [h for h in self._workspace.unit.handles() if h.label.startswith(_PREFIX)]

    def _identity(self, handle: Handle) -> SubjectId:
        from kizuna.roots.identity import did_key

        return did_key(self._workspace.unit.public(handle))

    def _signed(self, handle: Handle, kind: Kind, subject: SubjectId, payload: Payload) -> bytes:
        from kizuna.roots.cose import sign_statement

        workspace = self._workspace
        return sign_statement(
            workspace.unit,
            handle,
            issuer=self._identity(handle),
            subject=subject,
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            issued_at=workspace.clock(),
        )


def signed_for(
    workspace: Workspace, subjects: Iterable[str], view: View | None = None
) -> dict[str, list[dict[str, str]]]:
    """By subject: which association signed something about it, and in whose name.

    It tells and weighs nothing: what counts is the member's word, whoever held the pen.
    """
    from kizuna.record.log.keys import subject_key

    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    asked = {subject_key(one): one for one in list(dict.fromkeys(subjects))[:_MOST]}
    keys: dict[str, set[tuple[SubjectId, str]]] = {}
    for name, rows in reader.by_keys(list(asked)).items():
        keys[asked[name]] = {(r.statement.issuer, r.statement.key_id.hex()) for r in rows}
    issuers = {issuer for pairs in keys.values() for issuer, _ in pairs} - {workspace.identity}
    names = [subject_key(issuer) for issuer in sorted(issuers)[:_MOST]]
    by = {
        (row.statement.issuer, str(claim.claims.get("key"))): str(claim.claims.get("by"))
        for rows in reader.by_keys(names).values()
        for row in rows
        if isinstance(claim := row.statement.payload, Claim)
        and claim.type == HOSTING
        and row.statement.subject == row.statement.issuer
        and claim.claims.get("by") in _entered_by(rows, row.statement.issuer)
    }
    return {
        subject: [{"by": by[pair], "for": pair[0]} for pair in sorted(pairs & by.keys())]
        for subject, pairs in keys.items()
        if pairs & by.keys()
    }


def _entered_by(rows: Iterable[Registered], member: str) -> set[str]:
    """Who entered a member in a list: else anybody could say that whom it likes signs for it."""
    return {
        row.statement.issuer
        for row in rows
        if isinstance(row.statement.payload, Membership) and row.statement.subject == member
    }


def with_signers(
    workspace: Workspace, tree: dict[str, Any], view: View | None = None
) -> dict[str, Any]:
    """A tree of reasons in which nodes say ``signed_for`` where an association signed."""
    nodes, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting.extend(node.get("children", ()))
    found = signed_for(workspace, (str(node["subject"]) for node in nodes), view)
    for node in nodes:
        if (told := found.get(str(node["subject"]))) and not node.get("repeated"):
            node["signed_for"] = told
    return tree
