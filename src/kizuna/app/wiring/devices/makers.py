# SPDX-License-Identifier: Apache-2.0
"""Who may sign firmware: asked of the lists, of the histories of keys, and of what was registered.

Keeps: 1. Authority for a firmware comes from being this store's organisation, or from an entry as
maker that allows such evidence, with the firmware's name in scope, now, on a list that is accepted
here (also one that follows somebody else's, as long as that is fresh). A name that carries no key
(did:web) has those that such an entry, or the verifier, pinned for it. 2. A key counts that is in
force now, or that was good where the maker's word about this very manifest was registered and was
not found stolen since. 3. A word that its author or this store's organisation ended carries no
firmware any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Membership, Standing, Status
from kizuna.record.lists.roles import Role

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.roots.identity import KeyHistory
    from kizuna.roots.keys import PublicKey

__all__ = ["CLAIM", "MAKERS", "firmware_claims", "history_of", "issuers_of", "listed", "said_of"]

CLAIM: Final = "firmware"
"""Type of the claims about a release, and about what a device runs."""
MAKERS: Final = frozenset({Role.MAKER.value})
"""Roles of lists whose members may speak for firmware in their scope."""
ANY: Final = "*"
_ENDS: Final = frozenset({Action.REVOKE, Action.WITHDRAW, Action.SUSPEND})


def issuers_of(
    workspace: Workspace, about: SubjectId, manifest: str
) -> Iterator[tuple[SubjectId, list[PublicKey]]]:
    """Who may speak for a firmware, and the keys with which they may have signed this manifest.

    Raises:
        Refused: ``firmware.unauthorised`` where nobody may; ``firmware.withdrawn``.
    """
    from kizuna.roots.identity import KeyStanding

    rows = rows_about(workspace, about)
    entries = listed(workspace, about, MAKERS)
    size = workspace.head().size
    found = False
    for issuer in dict.fromkeys([workspace.identity, *entries]):
        history = history_of(workspace, issuer)
        keys = {key.thumbprint: key for key in history.current(size)}
        for row in rows:
            claim = row.statement.payload
            if row.statement.issuer != issuer or not isinstance(claim, Claim):
                continue
            if claim.type != CLAIM or claim.claims.get("manifest") != manifest:
                continue
            _must_stand(rows, row, workspace.identity)
            named = row.statement.key_id
            standing = history.standing(named, row.index, row.registered)
            key = history.key(named)
            if standing is KeyStanding.GOOD and key is not None:
                keys[named] = key  # its signing key may have been rotated since
        if keys:
            found = True
            yield issuer, list(keys.values())
    if not found:
        raise Refused(
            "firmware.unauthorised",
            f"nobody here may speak for {about}",
            why="no listed maker has it in scope",
            hint="list its maker: `kizuna list add`",
            subject=about,
        )


def _must_stand(rows: list[Registered], row: Registered, operator: SubjectId) -> None:
    """Refuse firmware that its maker, or this store's organisation, took back."""
    digest = row.statement.digest.hex()
    for other in rows:
        status = other.statement.payload
        if (
            isinstance(status, Status)
            and status.target.statement == digest
            and status.action in _ENDS
            and other.statement.issuer in (row.statement.issuer, operator)
        ):
            raise Refused(
                "firmware.withdrawn",
                f"{row.statement.subject} was taken back",
                why=f"its maker's word ended by statement {other.statement.digest.hex()[:16]}",
                hint="take the version that replaces it",
                subject=row.statement.subject,
            )


def said_of(
    workspace: Workspace, about: SubjectId, manifest: str, issuer: SubjectId
) -> dict[str, Any]:
    """What the signer registered about this manifest, where it did."""
    for claim, row in firmware_claims(workspace, about):
        if row.statement.issuer == issuer and claim.claims.get("manifest") == manifest:
            return dict(claim.claims)
    return {}


def firmware_claims(workspace: Workspace, about: SubjectId) -> Iterator[tuple[Claim, Registered]]:
    """The claims of type ``firmware`` about a subject, oldest first, each with its row."""
    for row in rows_about(workspace, about):
        claim = row.statement.payload
        if isinstance(claim, Claim) and claim.type == CLAIM and row.statement.subject == about:
            yield claim, row


def history_of(workspace: Workspace, issuer: SubjectId) -> KeyHistory:
    """The keys of an identity, as its name, the verifier, accepted lists and its own events say."""
    from kizuna.roots.identity import KeyHistory, genesis_keys, key_event, pinned_keys

    anchors = workspace.anchors()
    operators = {anchor.id: anchor.operator for anchor in anchors.lists}
    operators[workspace.list_id] = workspace.identity
    try:
        pinned = {one.id: pinned_keys(one.keys) for one in anchors.identities}
        history = KeyHistory.of(issuer, genesis_keys(issuer, pinned))
    except Problem:
        history = KeyHistory.of(issuer)
    above = {workspace.identity}
    for row in rows_about(workspace, issuer):
        said, author = row.statement.payload, row.statement.issuer
        if isinstance(said, Membership):
            if (
                row.statement.subject == issuer
                and said.state is Standing.GRANTED
                and operators.get(said.list_id) == author
            ):
                above.add(author)
                for key in pinned_keys(said.keys):
                    history = history.pin(key, row.index)
            continue
        event = key_event(row)
        if event is not None and event.identity == issuer:
            history = history.apply(event, superior=event.issuer in above - {issuer})
    return history


def listed(
    workspace: Workspace, about: SubjectId, roles: frozenset[str], *, own: bool = False
) -> list[SubjectId]:
    """Members of accepted lists (``own``: of this store's) in one of these roles that may say
    what firmware is, about names among which this one is.
    """
    from kizuna.record.lists import in_scope

    now = workspace.clock()
    stale = {a.name for a in workspace.anchors().lists if (a.fresh_until or now) < now}
    names = [a.name for a in workspace.anchors().lists if a.name not in stale and not own]
    states = [workspace.lists.state(), *(workspace.lists.state(name) for name in names)]
    found = [
        member
        for state in states
        for member, entry in state.entries.items()
        if entry.in_force(now)
        and any(
            service.type in roles
            and Kind.EVIDENCE in service.kinds
            and not {ANY, CLAIM}.isdisjoint(service.claims)
            and in_scope(about, service.scope)
            for service in entry.services
        )
    ]
    return list(dict.fromkeys(found))


def rows_about(workspace: Workspace, about: SubjectId) -> list[Registered]:
    """What is registered about a subject, in the order of the log."""
    from kizuna.record.log.keys import subject_key

    key = subject_key(about)
    rows = workspace.store.reader().by_keys([key]).get(key, ())
    return sorted(rows, key=lambda row: row.index)
