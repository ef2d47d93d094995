# SPDX-License-Identifier: Apache-2.0
"""Evidence handed in by a person, from a file: heard as every other, with its result where asked.

Keeps: 1. It goes through the fleet's keeper, so that it counts, and is bounded, like what comes
over the network. 2. A result (EAR) is signed for evidence that the device's own key vouches for,
good or bad; nobody gets the verifier's signature for noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Refused
from kizuna.model.identifier import canonical

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["attest"]


def attest(
    workspace: Workspace, subject: str, evidence: bytes, *, as_jwt: bool = False
) -> tuple[dict[str, Any], bytes | None]:
    """What became of one piece of evidence, and its result as an EAR.

    Raises:
        Refused: ``fleet.device-ended``. Unavailable: ``fleet.kept-elsewhere``.
    """
    from kizuna.app.wiring.devices.fleet import ENDED_KEY, Piece, keeper_of

    device = canonical(subject)
    keeper = keeper_of(workspace)
    try:
        (answer,) = keeper.hear([Piece(device, evidence)], "command line")
        result = keeper.result(answer, as_jwt=as_jwt)
        keeper.close_epoch()
        statements = keeper.settle()
    finally:
        keeper.close()
    if answer.reason == ENDED_KEY:
        raise Refused(
            "fleet.device-ended",
            f"the key of {device} has ended: its evidence counts for nothing",
            why="the device was retired, or its key revoked",
            hint="`kizuna device history` says when and why; a device that is to speak again is "
            "enrolled anew",
            subject=device[:200],
        )
    found = () if answer.appraisal is None else answer.appraisal.findings
    findings = [{"code": one.code.value, "about": dict(one.about)} for one in found]
    return {**answer.as_json(), "findings": findings, "statements": statements}, result
