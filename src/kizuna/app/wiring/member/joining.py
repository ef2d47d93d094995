# SPDX-License-Identifier: Apache-2.0
"""Joining a store elsewhere: an identity made here, entered there, and whom one believes at first.

Keeps: 1. The key is made in the folder and stays there. 2. Nothing is left behind when the other
side refuses. 3. Whoever joins believes at first that store's own list and log, as they were told
then, and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kizuna.app.wiring.construction import checked_name, new_identity
from kizuna.app.wiring.folder import Description, Folder, write_whole
from kizuna.app.wiring.keys.units import home_unit
from kizuna.app.wiring.member.joined import Joined
from kizuna.app.wiring.network import checked_url
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.roots.units import Unit

__all__ = ["enter"]

_JOINED = "joined"
"""What the list of the store that was joined is called in a member's anchors."""


def enter(
    path: str | Path, url: str, invite: str, name: str, *, settings: Settings
) -> tuple[Folder, Description, Unit]:
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
        store = Joined(
            url=address,
            identity=identity,
            signer=lambda: (unit, handle),
            clock=settings.clock,
        )
        told = store.join({"invite": invite.strip(), "identity": identity, "name": name})
        anchors = _anchors_of(told, address, identity)
        description = Description(
            format=1,
            kind="member",
            name=name,
            organization=identity,
            key=handle.id,
            origin=anchors.logs[0].origin,
            url=address,
            unit=home_unit(settings.unit),
        )
    except BaseException:
        folder.abandon()
        raise
    write_whole(folder.trust_file, msgspec.json.format(anchors.to_json(), indent=2) + b"\n")
    folder.write_description(description)
    return folder, description, unit


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
