# SPDX-License-Identifier: Apache-2.0
"""From a file to what is asked: a request for quotation, or a bill of materials as one.

Keeps: a bill of materials is recognised by its content; anything else has to be a request, whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from kizuna.app.wiring.procure.answer import Answer
from kizuna.app.wiring.procure.bill import from_bill
from kizuna.app.wiring.procure.buying import check
from kizuna.app.wiring.procure.request import Request, read_request
from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.payload import Links
    from kizuna.record.store import View

__all__ = ["Asked", "ask", "opened"]

_NO_BILL: Final = frozenset({"document.unrecognised", "document.format-unsupported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, and the ties of the bill of materials it came with."""

    request: Request
    bill: tuple[tuple[str, str, Links], ...] = ()


def opened(
    workspace: Workspace,
    data: bytes,
    name: str,
    *,
    suppliers: Sequence[str] = (),
    deadline: str | None = None,
    bill: tuple[bytes, str] | None = None,
) -> Asked:
    """What a file asks: a bill of materials asks for every direct part of its product.

    Args:
        workspace: in whose name a bill's parts without public identifier are called.
        data: the file.
        name: what it is called.
        suppliers: candidates for lines that name none.
        deadline: until when, where the file says nothing.
        bill: a bill of materials (bytes, name) beside a request that names its lines.

    Raises:
        Malformed: ``document.*``, ``procure.*``.
    """
    if _is_bill(data, name):
        product, lines, ties = from_bill(workspace, data, name)
        request = Request(request="bill-of-materials", product=product, lines=lines)
    else:
        request, ties = read_request(data, name), []
    if bill is not None:
        product, lines, ties = from_bill(workspace, *bill)
        request = msgspec.structs.replace(
            request, product=request.product or product, lines=request.lines or lines
        )
    return Asked(
        request=msgspec.structs.replace(
            request,
            suppliers=[*request.suppliers, *suppliers],
            deadline=request.deadline or deadline,
        ),
        bill=tuple(ties),
    )


def ask(
    workspace: Workspace,
    asked: Asked,
    profile: str | None,
    find: Callable[[str], Profile],
    *,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    offline: bool = False,
) -> Answer:
    """The answer, by the profile that is named here or in the request.

    Raises:
        Malformed: ``procure.no-profile``, ``procure.*``. Absent: ``profile.unknown``.
    """
    named = profile or asked.request.profile
    if named is None:
        raise Malformed(
            "procure.no-profile",
            "by what measure? neither the request nor the call names a profile",
            hint="`kizuna profile list` prints them",
        )
    return check(
        workspace,
        asked.request,
        find(named),
        at=at,
        lists=lists,
        view=view,
        bill=asked.bill,
        offline=offline,
    )


def _is_bill(data: bytes, name: str) -> bool:
    from kizuna.proof.documents import recognise

    try:
        recognise(data, name)
    except Malformed as problem:
        if problem.code in _NO_BILL:
            return False
        raise
    return True
