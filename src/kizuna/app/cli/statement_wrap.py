# SPDX-License-Identifier: Apache-2.0
"""``kizuna statement wrap``: a document of the field, signed as it is, for tools that read DSSE."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_TYPE: Final = re.compile(r"[!-.0-~]{1,100}/[!-~]{1,100}")


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "wrap")
    def wrap(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The envelope.")],
        media_type: Annotated[
            str, typer.Option("--type", metavar="MEDIA_TYPE", help="What the document is.")
        ] = "application/vnd.in-toto+json",
    ) -> None:
        """Sign a document as it is, in a DSSE envelope, for tools that read no COSE.

        Nothing is registered: to let it count in a chain, import the envelope, or sign a statement.

        Example: kizuna statement wrap provenance.json --out provenance.dsse.json
        """
        from kizuna.model.errors import Malformed
        from kizuna.roots.dsse import sign_dsse

        if not _TYPE.fullmatch(media_type):
            raise Malformed(
                "document.media-type",
                f"not a media type: {media_type[:80]!r}",
                hint="write it as application/vnd.in-toto+json",
                value=media_type[:80],
            )
        document = Door.read(file, limit=32 << 20)
        speaker = door.organisation(read_only=True)
        envelope = sign_dsse(speaker.unit, speaker.handle, media_type, document)
        Door.write_file(out, envelope + b"\n")
        told = {"file": out, "type": media_type, "key": speaker.handle.id, "bytes": len(document)}
        if out != "-":
            door.answer(told, [door.text("statement.wrapped", **told)])
