# SPDX-License-Identifier: Apache-2.0
"""One chain by several measures: the answer of ``kizuna verify --each-list``, over HTTP.

Keeps: the answer is the command line's, member for member, under the view of whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, get
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_instant, as_known, as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.api.elsewhere import across_for
from kizuna.app.wiring import showing
from kizuna.app.wiring.comparing.several_lists import MOST, judge_each, measures_of

if TYPE_CHECKING:
    from kizuna.chain.graph.evidence import Evidence

__all__ = ["comparing"]


def comparing(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @get(
        "/api/compare",
        opt={"permission": "view"},
        tags=["judgement"],
        summary="A verdict under each list and profile, and what makes them differ",
        description="`verdicts`, each as `/api/verify` gives it with its `measure`; `differences` "
        "with the parties whom the lists see differently. No verdict is mixed from two lists.",
    )
    async def compare(
        request: Request[Any, Any, Any],
        subject: Annotated[
            str, QueryParameter(description="Identifier of what is judged.", max_length=2048)
        ],
        profiles: Annotated[
            list[str],
            QueryParameter(name="profile", description="Profiles by name.", max_items=MOST),
        ],
        lists: Annotated[
            list[str] | None,
            QueryParameter(
                name="list",
                description="Lists to judge under, one verdict each; `a,b`: under both. "
                "Without any: each list that the store believes.",
                max_items=MOST,
            ),
        ] = None,
        at: Annotated[str | None, QueryParameter(max_length=40)] = None,
        known: Annotated[list[str] | None, QueryParameter(name="known", max_items=16)] = None,
        through: Annotated[
            list[str] | None,
            QueryParameter(
                description="Count claims made under another catalog as far as these mappings "
                "carry them.",
                max_items=16,
            ),
        ] = None,
        *,
        across: Annotated[
            bool,
            QueryParameter(
                description="Ask the stores elsewhere that the lists lead to (operator only)."
            ),
        ] = False,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        what, when = as_subject(subject), None if at is None else as_instant(at)
        registered = as_known(known or []) or None
        lang = language(request.scope)

        def tell() -> dict[str, Any]:
            chosen = [showing.profile_named(workspace, name) for name in profiles]
            heard: list[Evidence] = []
            judge = across_for(workspace, view) if across else None
            told, _ = judge_each(
                workspace,
                what,
                measures_of(workspace, chosen, lists, each=True, through=through or ()),
                lang,
                at=when,
                known=workspace.known(registered),
                view=view,
                verify=None if judge is None else partial(judge.verify, heard=heard),
                heard=heard,
            )
            return told

        answer: dict[str, Any] = await context.ask(tell)
        return answer

    return (compare,)
