# SPDX-License-Identifier: Apache-2.0
"""``kizuna federation``: entities of federations, read here and published from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli import federation_own
from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import clock_face

if TYPE_CHECKING:
    from kizuna.app.wiring.federation.reading import Reading

__all__ = ["hang"]

_ENTITY = Annotated[str, typer.Argument(metavar="ENTITY", help="Its https address.")]
_ADDRESS = Annotated[str, typer.Argument(metavar="ADDRESS", help="An https address.")]
_FROM = Annotated[
    str,
    typer.Option("--from", metavar="network|kept|PATH", help="Where its statements come from."),
]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "anchor")
    def anchor(
        door: Door,
        address: _ADDRESS,
        key: Annotated[
            list[str] | None,
            typer.Option("--key", metavar="FILE", help="Its public key (JWK or PEM); repeatable."),
        ] = None,
        jwks: Annotated[
            str | None, typer.Option("--jwks", metavar="FILE", help="Its keys as a JWK set.")
        ] = None,
        replace: Annotated[
            bool, typer.Option("--replace", help="These keys take the place of those held.")
        ] = False,
        remove: Annotated[bool, typer.Option("--remove", help="Believe it no longer.")] = False,
    ) -> None:
        """Believe a trust anchor under keys that you had from it by another way.

        Example: kizuna federation anchor https://guild.example --key guild.jwk
        """
        reading = _reading(door)
        if remove:
            reading.book.forget(address)
            door.answer({"entity": address}, [door.text("federation.forgotten", entity=address)])
            return
        told = reading.believe(address, _keys(key or (), jwks), replace_keys=replace)
        door.answer(
            told, [door.text("federation.believed", entity=told["entity"], keys=len(told["keys"]))]
        )

    @command(app, "anchors")
    def anchors(door: Door) -> None:
        """List the trust anchors that this verifier believes."""
        told = _reading(door).anchors()
        door.answer(
            told,
            [
                door.text("federation.anchor", entity=a["entity"], keys=" ".join(a["keys"]))
                for a in told["anchors"]
            ]
            or [door.text("federation.no-anchors")],
        )

    @command(app, "resolve")
    def resolve(
        door: Door,
        entity: _ENTITY,
        anchor: Annotated[
            list[str] | None,
            typer.Option("--anchor", metavar="ADDRESS", help="Only up to this believed anchor."),
        ] = None,
        source: _FROM = "network",
        status: Annotated[
            bool, typer.Option("--status", help="Ask each mark's issuer whether it still stands.")
        ] = False,
        loopback: federation_own.Loopback = False,
        ca: federation_own.Authority = None,
    ) -> None:
        """Find the chains from an entity to the believed anchors, check them, and keep them.

        Example: kizuna federation resolve https://maker.example --status
        """
        reading = _reading(door)
        found = reading.resolve(
            entity,
            anchors=anchor or None,
            source=source,
            network=federation_own.network_of(loopback=loopback, ca=ca),
            status=status,
        )
        told = reading.told(found)
        door.answer(told, lambda: lines_of(door, told))

    @command(app, "show")
    def show(door: Door, entity: _ENTITY) -> None:
        """Show what is kept of an entity: its chain, the policies applied, which marks count."""
        reading = _reading(door)
        told = reading.told(reading.show(entity))
        door.answer(told, lambda: lines_of(door, told))

    @command(app, "take", older={"--as": "--name"})
    def take(
        door: Door,
        name: Annotated[
            str,
            typer.Option("--name", metavar="NAME", help="The list of your own that follows."),
        ],
        entity: Annotated[
            list[str] | None,
            typer.Argument(metavar="ENTITY...", help="Further entities; none: those held."),
        ] = None,
        mapping: Annotated[
            str | None,
            typer.Option("--mapping", metavar="FILE", help="What its marks are worth here (YAML)."),
        ] = None,
        anchor: Annotated[
            str | None,
            typer.Option("--anchor", metavar="ADDRESS", help="The believed anchor to follow."),
        ] = None,
        source: _FROM = "network",
        status: Annotated[
            bool, typer.Option("--status", help="Ask each mark's issuer whether it still stands.")
        ] = False,
        preview: Annotated[
            bool, typer.Option("--preview", help="Show what would change; sign nothing.")
        ] = False,
        loopback: federation_own.Loopback = False,
        ca: federation_own.Authority = None,
    ) -> None:
        """Make resolved entities and their counted marks members of a list of your own.

        Run it again, without entities, to follow what changed since.

        Example: kizuna federation take https://maker.example --name guild --mapping guild.yaml
        """
        from kizuna.app.wiring.federation.taking import Taking

        told = Taking(door.workspace()).take(
            entity or (),
            name=name,
            anchor=anchor,
            mapping=None if mapping is None else Door.read(mapping, limit=8 << 20),
            source=source,
            network=federation_own.network_of(loopback=loopback, ca=ca),
            status=status,
            preview=preview,
        )
        door.answer(told, lambda: _taken_lines(door, told))

    federation_own.hang(app)


def _reading(door: Door) -> Reading:
    from kizuna.app.wiring.federation.reading import Reading

    workspace = door.workspace()
    return Reading(workspace.path, workspace.clock())


def _keys(files: Any, jwks: str | None) -> dict[str, Any]:  # noqa: ANN401 - names of files
    import msgspec

    from kizuna.model.errors import Malformed

    keys: list[Any] = []
    for file in [*files, *([jwks] if jwks else [])]:
        data = Door.read(file, limit=1 << 16)
        if b"-----BEGIN" in data:
            from kizuna.roots.keys import PublicKey

            keys.append(PublicKey.from_pem(data).to_jwk())
            continue
        try:
            found = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Malformed(
                "key.not-jwk",
                f"{file} holds no JSON Web Key",
                why=str(fault),
                hint="give a file with one public key as a JWK or PEM",
                path=file,
            ) from fault
        inside = found.get("keys")
        keys.extend(inside if isinstance(inside, list) else [found])
    if not keys:
        raise Malformed(
            "federation.keys-missing",
            "an anchor is believed under keys, and none are given",
            why="without keys of your own anybody could claim its name",
            hint="give --key FILE or --jwks FILE, had from the anchor by another way",
        )
    return {"keys": keys}


def _taken_lines(door: Door, told: dict[str, Any]) -> list[str]:
    word = "federation.would-take" if told["preview"] else "federation.taken"
    lines = [door.text(word, name=told["name"], members=told["members"], source=told["source"])]
    lines += [
        door.text("federation.lost", entity=e["entity"], code=e["code"])
        for e in told["entities"]
        if "code" in e
    ]
    lines += [
        door.text("federation.change", member=c["name"] or c["member"], what=c["what"])
        for c in told["changes"]
    ]
    lines += [
        door.text("federation.not-understood", type=kind or "–", count=count)
        for kind, count in told["not_understood"].items()
    ]
    return lines


def lines_of(door: Door, told: dict[str, Any]) -> list[str]:
    """What was found, for a person: each chain from the anchor down, then the marks."""
    lines = [door.text("federation.entity", entity=told["entity"])]
    if told["source"] == "kept":
        lines.append(door.text("federation.age", hours=told["age"] // 3600))
    for chain in told["chains"]:
        lines.append(
            door.text(
                "federation.chain", anchor=chain["anchor"], until=clock_face(chain["expires"])
            )
        )
        lines += _picture(door, chain)
        for mark in chain["marks"]:
            word = "federation.mark-counts" if mark["counts"] else "federation.mark-not"
            lines.append(
                door.text(
                    word,
                    type=mark["type"],
                    issuer=mark["issuer"] or "–",
                    status=door.text(f"federation.status.{mark['status']}"),
                    why=mark["why"] or door.text(f"federation.status.{mark['status']}"),
                )
            )
        lines += [
            door.text("federation.metadata", kind=kind, members=", ".join(sorted(members)) or "–")
            for kind, members in sorted(chain["metadata"].items())
        ]
    return lines


def _picture(door: Door, chain: dict[str, Any]) -> list[str]:
    about = {(s["issuer"], s["subject"]): s for s in chain["statements"]}
    lines = []
    path = list(reversed(chain["path"]))
    for depth, name in enumerate(path):
        lines.append("  " + "   " * depth + ("└─ " if depth else "") + name)
        said = about.get((name, path[depth + 1])) if depth + 1 < len(path) else None
        if said is None:
            continue
        for kind, policy in sorted(said["policy"].items()):
            rules = "; ".join(f"{p} {' '.join(sorted(ops))}" for p, ops in sorted(policy.items()))
            lines.append(
                "  " + "   " * (depth + 1) + door.text("federation.policy", kind=kind, rules=rules)
            )
        if said["constraints"]:
            rules = ", ".join(sorted(said["constraints"]))
            lines.append(
                "  " + "   " * (depth + 1) + door.text("federation.constraints", rules=rules)
            )
    return lines
