# SPDX-License-Identifier: Apache-2.0
"""Writing a proof bundle for somebody: what the file holds, and what it keeps back.

Keeps: 1. A bundle leaves the house, so it is made through the eyes of whoever shall have it: anyone
at all, unless a reader is named. The operator's own, which holds everything, is asked for by name.
2. The operator is told what is kept back, and when restricted statements travel in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.values import Progress, WrittenBundle, quiet
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.record.store import View

__all__ = ["export_for", "view_for"]


def view_for(reader: SubjectId | None, *, everything: bool) -> View:
    """Whose eyes a bundle is made through.

    Raises:
        Malformed: ``export.two-views``.
    """
    from kizuna.record.store import OPERATOR, PUBLIC, View

    if everything and reader is not None:
        raise Malformed(
            "export.two-views",
            "a bundle is made for one reader or holds everything, not both",
            hint="give --for READER, or --all, or neither: then it holds what anyone may read",
        )
    if everything:
        return OPERATOR
    return PUBLIC if reader is None else View.of(reader)


def export_for(
    workspace: Workspace,
    subject: SubjectId,
    profile: Profile,
    view: View,
    *,
    through: Sequence[str] = (),
    progress: Progress = quiet,
) -> WrittenBundle:
    """A proof bundle as ``view`` may read it, with what it keeps back from that reader.

    ``through``: mappings that travel along.
    """
    from kizuna.chain.graph.closure import closure

    written = workspace.export_bundle(
        subject, profile, view=view, through=through, progress=progress
    )
    anchors = workspace.anchors()
    reached = closure(workspace.store.reader(), subject, profile, anchors).statements
    restricted = [item for item in reached if item.statement.audience]
    kept = [
        item for item in restricted if not view.sees(item.statement.issuer, item.statement.audience)
    ]
    return replace(written, restricted=len(restricted) - len(kept), withheld=tuple(_named(kept)))


def _named(items: Iterable[Registered]) -> Iterable[dict[str, Any]]:
    for item in items:
        said = item.statement
        yield {
            "statement": said.digest.hex(),
            "kind": said.kind.value,
            "issuer": said.issuer,
            "subject": said.subject,
            "audience": list(said.audience),
        }
