# SPDX-License-Identifier: Apache-2.0
"""``kizuna device appraise``: one piece of evidence from a file."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "appraise")
    def appraise(
        door: Door,
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="The evidence as the device made it; - stdin.")
        ],
        scheme: Annotated[
            str, typer.Option("--scheme", metavar="NAME", help="psa, hmac, observed, ...")
        ],
        reference: Annotated[
            list[str] | None,
            typer.Option(
                "--reference", metavar="FILE", help="Reference values (CoRIM). Repeat it."
            ),
        ] = None,
        key: Annotated[
            list[str] | None,
            typer.Option(
                "--key",
                metavar="FILE",
                help="Key of the device, or of who signed the reference values: PEM or JWK.",
            ),
        ] = None,
        signer: Annotated[
            list[str] | None,
            typer.Option(
                "--signer", metavar="FILE", help="Key that only signs reference values. Repeat it."
            ),
        ] = None,
        nonce: Annotated[
            str | None,
            typer.Option("--nonce", metavar="HEX", help="What the evidence must show."),
        ] = None,
        subject: Annotated[
            str | None, typer.Option("--subject", help="The device it is about, for the answer.")
        ] = None,
        model: Annotated[
            str | None, typer.Option("--model", help="The class of its reference values.")
        ] = None,
        registers: Annotated[
            str | None,
            typer.Option("--registers", metavar="0-7", help="What a TPM's quote must be over."),
        ] = None,
        closed: Annotated[
            bool,
            typer.Option("--closed", help="The reference values are all there are."),
        ] = False,
        allow_unsigned: Annotated[
            bool,
            typer.Option("--allow-unsigned", help="Take reference values that nobody signed."),
        ] = False,
        result: Annotated[
            str | None,
            typer.Option(
                "--result",
                metavar="FILE",
                help="Write the result as an EAR signed by the store; .jwt for a JWT.",
            ),
        ] = None,
    ) -> None:
        """Say whether one piece of evidence is authentic, fresh, and what its maker published.

        Works without a store; with --store its reference values count too. Exit code: 0 affirming,
        10 warning, 11 contraindicated, 13 nothing can be said, 12 authentic and too old.

        Example: kizuna device appraise token.cbor --scheme psa --key device.pem
        """
        from kizuna.app.wiring.devices import appraisal as wiring
        from kizuna.model.outcome import Outcome

        answer = wiring.appraise(
            Door.read(file, limit=1 << 20),
            scheme=scheme,
            settings=door.settings,
            keys=wiring.read_keys(_files(key, 1 << 16)),
            signers=wiring.read_keys(_files(signer, 1 << 16)).public,
            references=_files(reference, 16 << 20),
            nonce=nonce,
            subject=subject,
            model=model,
            closed=closed,
            allow_unsigned=allow_unsigned,
            use_store=door.store_named,
            registers=registers,
        )
        if result is not None:
            signed = wiring.result(answer, door.workspace(), as_jwt=result.endswith(".jwt"))
            Door.write_file(result, signed)
        door.answer(
            wiring.appraisal_json(answer, door.lang),
            lambda: _lines(door, answer),
        )
        if answer.outcome is not Outcome.HOLDS:
            raise Failure(answer.outcome)


def _files(names: list[str] | None, limit: int) -> list[tuple[str, bytes]]:
    return [(name, Door.read(name, limit=limit)) for name in names or ()]


def _lines(door: Door, answer: object) -> list[str]:
    from kizuna.app.wiring.devices.appraisal import finding_words
    from kizuna.proof.attestation.appraisal import Appraisal

    if not isinstance(answer, Appraisal):
        return []
    color = {"affirming": "green", "warning": "yellow", "contraindicated": "red"}
    status = answer.status.value
    lines = [
        door.text(
            "appraisal.line",
            status=door.paint(
                door.text(f"appraisal.status.{status}"), color.get(status, "yellow"), bold=True
            ),
            tier=door.text(f"appraisal.tier.{answer.tier.value}"),
            scheme=answer.scheme,
        )
    ]
    if answer.identity is not None:
        lines.append(door.text("appraisal.identity", identity=answer.identity.hex()))
    lines += [
        door.text(
            "appraisal.measured",
            component=one.component or "–",
            version=one.version or "–",
            digest=one.digest.hex()[:16],
        )
        for one in answer.measurements
    ]
    for finding in answer.findings:
        message, mend = finding_words(finding, door.lang)
        lines += [f"- {message} [{finding.code.value}]", f"  {mend}"]
    return lines
