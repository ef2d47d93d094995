# SPDX-License-Identifier: Apache-2.0
"""``kizuna device``: from one owner to the next, and from a maker to the first (vouchers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.device.life import KEY, SCHEME, SUBJECT, lives_of, said_of
from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import instant

if TYPE_CHECKING:
    from kizuna.model.trust import Anchors

__all__ = ["hang"]

_TRUST = Annotated[
    str | None,
    typer.Option("--trust", metavar="FILE", help="What is believed of the other side's log."),
]
_OUT = Annotated[str, typer.Option("--out", metavar="FILE", help="What to write.")]
_ANCHORS = Annotated[
    list[str], typer.Option("--anchor", metavar="CERT", help="A maker's root. Repeat it.")
]
_REGISTRAR = Annotated[
    str, typer.Option("--registrar", metavar="CERT", help="The registrar's certificate.")
]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""
    _owners(app)
    voucher = typer.Typer(
        help="A device finds its owner: request, forward, issue, check.", no_args_is_help=True
    )
    app.add_typer(voucher, name="voucher")
    _vouchers(voucher)


def _owners(app: typer.Typer) -> None:
    @command(app, "transfer")
    def transfer(
        door: Door,
        subject: SUBJECT,
        to: Annotated[str, typer.Option("--to", metavar="ORGANISATION", help="The new owner.")],
        expires: Annotated[
            str | None, typer.Option("--expires", metavar="TIME", help="Until when to accept it.")
        ] = None,
        assertion: Annotated[
            str, typer.Option("--assertion", help="verified, logged or proximity.")
        ] = "verified",
        certificate: Annotated[
            str | None,
            typer.Option(
                "--certificate",
                metavar="FILE",
                help="The new owner's certificate, for a voucher document (RFC 8366).",
            ),
        ] = None,
        serial: Annotated[str | None, typer.Option("--serial", help="Serial number.")] = None,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Where to write the voucher document."),
        ] = None,
        release: Annotated[
            str | None,
            typer.Option(
                "--release", metavar="FILE", help="Write the voucher for an owner with another log."
            ),
        ] = None,
    ) -> None:
        """Give a device to a new owner; your say over it ends when this is registered."""
        from kizuna.app.wiring.devices.handover import transfer as transferred
        from kizuna.app.wiring.devices.handover import transparent

        lives = lives_of(door)
        done, document = transferred(
            lives,
            subject,
            to,
            expires=None if expires is None else instant(expires),
            assertion=assertion,
            certificate=None if certificate is None else door.read(certificate, limit=1 << 20),
            serial=serial,
        )
        if document is not None and out is not None:
            door.write_file(out, document)
        if release is not None:
            door.write_file(release, transparent(lives.workspace, done["voucher"]))
        door.answer(done, [door.text("device.transferred", **done)])

    @command(app, "accept")
    def accept(
        door: Door,
        subject: SUBJECT,
        key: KEY = None,
        scheme: SCHEME = None,
        gateway: Annotated[
            str | None, typer.Option("--gateway", help="The gateway that measures it.")
        ] = None,
        reference: Annotated[
            str | None, typer.Option("--reference", help="Class of its reference values.")
        ] = None,
        release: Annotated[
            str | None,
            typer.Option("--release", metavar="FILE", help="The voucher, out of another log."),
        ] = None,
        trust: _TRUST = None,
        acceptance: Annotated[
            str | None,
            typer.Option(
                "--acceptance", metavar="FILE", help="Write the acceptance for the giver's log."
            ),
        ] = None,
    ) -> None:
        """Take a device that was given to you, under a key of its own.

        Example: kizuna device accept urn:ueid:0102 --key new.pem --release voucher --trust
        seller.json --acceptance accepted
        """
        from kizuna.app.wiring.devices.handover import accept as accepted
        from kizuna.app.wiring.devices.handover import transparent

        said = said_of(door, key, scheme=scheme, gateway=gateway, reference=reference)
        lives = lives_of(door)
        done = accepted(
            lives,
            subject,
            said,
            release=None if release is None else door.read(release, limit=1 << 20),
            anchors=_anchors(trust),
        )
        if acceptance is not None:
            door.write_file(acceptance, transparent(lives.workspace, done["statement"]))
        door.answer(done, [door.text("device.accepted", **done)])

    @command(app, "handed-over")
    def handed_over(
        door: Door,
        subject: SUBJECT,
        acceptance: Annotated[
            str,
            typer.Argument(metavar="ACCEPTANCE", help="What the new owner's `accept` wrote."),
        ],
        trust: _TRUST = None,
    ) -> None:
        """Close a transfer to an owner with another log: your own log says who has it now.

        Example: kizuna device handed-over urn:ueid:0102 accepted --trust buyer.json
        """
        from kizuna.app.wiring.devices.handover import hand_over

        data = door.read(acceptance, limit=1 << 20)
        done = hand_over(lives_of(door), subject, data, _anchors(trust))
        door.answer(done, [door.text("device.handed-over", **done)])


def _vouchers(voucher: typer.Typer) -> None:
    @command(voucher, "registrar")
    def registrar(door: Door, out: _OUT) -> None:
        """As an owner: the certificate that devices see, and that vouchers pin.

        Example: kizuna device voucher registrar --out registrar.der
        """
        from kizuna.app.wiring.devices.vouchers import registrar_certificate

        door.write_file(out, registrar_certificate(door.workspace()))
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    @command(voucher, "request")
    def request(
        door: Door,
        key: Annotated[
            str, typer.Option("--key", metavar="FILE", help="The device's private key (PEM).")
        ],
        idevid: Annotated[
            list[str],
            typer.Option("--idevid", metavar="CERT", help="Its certificate, then issuers."),
        ],
        registrar: _REGISTRAR,
        out: _OUT,
    ) -> None:
        """On the device: ask for its owner, signed with what its maker put into it.

        Example: kizuna device voucher request --key idevid.key --idevid idevid.pem --registrar
        registrar.der --out request
        """
        from kizuna.app.wiring.devices.vouchers import ask

        chain = [door.read(name, limit=1 << 20) for name in idevid]
        made = ask(
            door.read(key, limit=1 << 16),
            chain,
            door.read(registrar, limit=1 << 20),
            door.settings.clock(),
        )
        door.write_file(out, made)
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    @command(voucher, "forward")
    def forward(
        door: Door,
        asked: Annotated[str, typer.Argument(metavar="REQUEST", help="The device's request.")],
        anchor: _ANCHORS,
        out: _OUT,
    ) -> None:
        """As the owner's registrar: check a device's request, and send it on to its maker.

        Example: kizuna device voucher forward request --anchor maker-root.pem --out forwarded
        """
        from kizuna.app.wiring.devices.vouchers import forward as forwarded

        roots = [door.read(name, limit=1 << 20) for name in anchor]
        made, serial = forwarded(door.workspace(), door.read(asked, limit=1 << 18), roots)
        door.write_file(out, made)
        if out != "-":
            door.answer({"file": out, "serial": serial}, [door.text("file.written", file=out)])

    @command(voucher, "issue")
    def issue(
        door: Door,
        asked: Annotated[str, typer.Argument(metavar="REQUEST", help="The registrar's request.")],
        subject: Annotated[str, typer.Option("--device", metavar="SUBJECT", help="The device.")],
        anchor: _ANCHORS,
        out: _OUT,
        sold_to: Annotated[
            str | None,
            typer.Option("--sold-to", metavar="ORGANISATION", help="Who bought it; nobody else."),
        ] = None,
    ) -> None:
        """As the maker: answer a registrar's request with a voucher, and register it.

        Example: kizuna device voucher issue forwarded --device urn:ueid:0102 --anchor root.pem
        --out voucher
        """
        from kizuna.app.wiring.devices.vouchers import issue as answered

        roots = [door.read(name, limit=1 << 20) for name in anchor]
        done, document = answered(
            door.workspace(), door.read(asked, limit=1 << 18), subject, roots, sold_to=sold_to
        )
        door.write_file(out, document)
        if out != "-":
            door.answer(done, [door.text("device.transferred", **done)])

    @command(voucher, "check")
    def check(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="VOUCHER", help="What came back.")],
        asked: Annotated[
            str, typer.Option("--request", metavar="FILE", help="What the device asked with.")
        ],
        maker: Annotated[
            str, typer.Option("--maker", metavar="FILE", help="The maker's key or certificate.")
        ],
        registrar: _REGISTRAR,
    ) -> None:
        """On the device: see that a voucher is its maker's answer to its own request.

        Example: kizuna device voucher check voucher --request request --maker maker.pem
        --registrar registrar.der
        """
        from kizuna.app.wiring.devices.vouchers import check as checked

        told = checked(
            door.read(file, limit=1 << 18),
            door.read(asked, limit=1 << 18),
            door.read(maker, limit=1 << 16),
            door.read(registrar, limit=1 << 16),
            door.settings.clock(),
        )
        door.answer(told, [door.text("device.voucher-fits", **told)])

    @command(voucher, "log")
    def log(door: Door, subject: SUBJECT) -> None:
        """Every voucher about a device in this log: to whom, by whom, for which request.

        Example: kizuna device voucher log urn:ueid:0102
        """
        from kizuna.app.wiring.devices.vouchers import issued

        rows = issued(door.workspace(read_only=True), subject)
        door.answer({"vouchers": rows}, [door.text("device.voucher-row", **row) for row in rows])


def _anchors(file: str | None) -> Anchors | None:
    if file is None:
        return None
    from kizuna.model.trust import Anchors

    return Anchors.from_json(Door.read(file, limit=1 << 20))
