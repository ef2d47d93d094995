# SPDX-License-Identifier: Apache-2.0
"""The log as static files: what any mirror can copy and any tlog client can check.

Keeps: 1. Only paths of the standard's shape are answered, so no address reaches another file.
2. Tiles never change and say so; the checkpoint says that it does. 3. A partial tile that has grown
since is answered from the longer one.
Standard: C2SP tlog-tiles, tlog-checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import header
from kizuna.app.api.context import Context
from kizuna.model.errors import Absent
from kizuna.model.identifier import digest_of

__all__ = ["tiles"]

_TILE: Final = re.compile(
    r"(?P<full>(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_HASH: Final = 32
_ENTRY: Final = 2 + _HASH
"""An entry of a bundle stands behind its length."""
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_PUBLIC: Final = {"permission": "public"}


def tiles(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    folder = context.workspace.log.path

    @get(
        "/checkpoint",
        opt=_PUBLIC,
        tags=["log"],
        media_type="text/plain",
        summary="The log's last signed checkpoint (C2SP signed note)",
    )
    async def checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        data = await context.ask(lambda: _read(folder / "checkpoint"))
        if data is None:
            raise _absent("checkpoint")
        return _tagged(request, data, "text/plain", "no-cache")

    @get(
        "/tile/{rest:path}",
        opt=_PUBLIC,
        tags=["log"],
        media_type="application/octet-stream",
        summary="One tile of the log's tree, or its entries (C2SP tlog-tiles)",
    )
    async def tile(request: Request[Any, Any, Any], rest: FromPath[Path]) -> Response[bytes]:
        name = rest.as_posix().removeprefix("/")
        match = _TILE.fullmatch(name)
        width = int(match["width"] or 256) if match else 0
        if match is None or not 1 <= width <= 256:
            raise _absent(name)
        full = match["full"]

        def find() -> bytes | None:
            exact = _read(folder / "tile" / name)
            if exact is not None:
                return exact
            longer = _read(folder / "tile" / full) if match["width"] else None
            each = _ENTRY if full.startswith("entries") else _HASH
            return None if longer is None else longer[: width * each]

        data = await context.ask(find)
        if data is None:
            raise _absent(name)
        return _tagged(request, data, "application/octet-stream", _IMMUTABLE)

    return (checkpoint, tile)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _tagged(
    request: Request[Any, Any, Any], data: bytes, media_type: str, caching: str
) -> Response[bytes]:
    tag = f'"{digest_of(data).hex()[:32]}"'
    headers = {"etag": tag, "cache-control": caching}
    if tag in header(request.scope, b"if-none-match"):
        return Response(b"", status_code=304, media_type=media_type, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def _absent(name: str) -> Absent:
    return Absent(
        "log.no-tile",
        f"the log has no {name[:80]!r}",
        hint="the size of the log stands in /checkpoint",
        tile=name[:80],
    )
