# SPDX-License-Identifier: Apache-2.0
"""The connector's own word, once an epoch: what program it is, and how the device behind it looks.

Keeps: 1. It goes through the verifier's public door, as every device's; nothing is written past it.
2. Each word answers the verifier's nonce of the epoch and is counted on over restarts, so that none
can be made beforehand or sent again. 3. A device that did not answer is not spoken of: the verifier
hears silence, not an accusation. 4. A verifier that does not answer stops no byte between peers.
Owner of the mutable state: the connector's event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.devices import program
from kizuna.app.wiring.devices.seeing import device_identity, seen_once
from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.network import checked_url, fetch, post
from kizuna.model.errors import Malformed, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.guard.gateway.connector.sight import Ask
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.units import Handle

__all__ = ["MODEL", "Behind", "Machine", "Reporter", "connector_instance"]

MODEL: Final = "kizuna/connector"
"""The class of device that a connector is, unless its enrolment names another."""
_ANSWER: Final = 1 << 20
_TURNS: Final = 1 << 20
"""Words of one run of the program, at most: a start lies beyond all that an earlier one said."""
_STARTS: Final = "connector-starts"
CHIP: Final = "connector-chip"
"""Where in the store the chip's wrapped key lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The device behind a connector."""

    subject: str
    to: tuple[str, int]
    ask: Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the connector runs on, with the chip that speaks for it."""

    subject: str
    unit: str
    """The chip, as ``kizuna device quote`` names it."""
    registers: tuple[int, ...]


def connector_instance(key: PublicKey) -> bytes:
    """The instance id that a connector's evidence shows: made of its key."""
    return b"\x01" + key.thumbprint


class Reporter:
    """What a connector tells one verifier.

    Args:
        workspace: whose key it is.
        handle: the connector's key.
        identity: the connector, as it is enrolled.
        url: the verifier.
        behind: the device that is looked at, where there is one.
        folder: where the program lies; None for this one.
        machine: whose chip's quote goes along, where it has one.
    """

    def __init__(
        self,
        workspace: Workspace,
        handle: Handle,
        identity: str,
        url: str,
        behind: Behind | None = None,
        folder: Path | None = None,
        machine: Machine | None = None,
    ) -> None:
        self._workspace = workspace
        self._handle = handle
        self._identity = identity
        self._url = checked_url(url)
        self._behind = behind
        self._folder = folder
        self._machine = machine
        self._boot = _started(workspace.path)
        self._sequence = 0
        self._epoch = -1
        self.sent = 0
        """Words that the verifier took."""
        self.last: dict[str, str] = {}
        """How each subject stands, as the verifier said last."""
        self.trouble = ""
        """Why the verifier could not be told, where the last time it could not."""

    async def report(self) -> bool:
        """Speak, if the verifier's epoch is one in which nothing was said; whether it was."""
        try:
            return await self._report()
        except (Problem, OSError) as fault:
            self.trouble = str(fault)[:400]
            return False

    async def _report(self) -> bool:
        epoch, nonce = _epoch(
            await asyncio.to_thread(fetch, f"{self._url}/api/devices/epoch", limit=_ANSWER)
        )
        if epoch == self._epoch:
            return False
        words = [await asyncio.to_thread(self._own, nonce)]
        seen = await self._seen(nonce)
        if seen is not None:
            words.append(seen)
        quoted, fault = await asyncio.to_thread(self._quoted, nonce)
        if quoted is not None:
            words.append(quoted)
        await asyncio.to_thread(self._send, words)
        self.trouble = self.trouble or fault
        self._epoch = epoch
        self.sent += len(words)
        return True

    def _own(self, nonce: bytes) -> list[Any]:
        from kizuna.proof.attestation.schemes.hmac import tiny_claims

        self._sequence += 1
        claims = tiny_claims(
            identity=connector_instance(self._workspace.unit.public(self._handle)),
            boot=self._boot,
            sequence=self._sequence,
            measurements=program.measurements(self._folder),
            nonce=nonce,
            model=MODEL,
        )
        return [self._identity, self._signed(claims)]

    async def _seen(self, nonce: bytes) -> list[Any] | None:
        from kizuna.proof.attestation.schemes.observed import observed_claims

        behind = self._behind
        if behind is None:
            return None
        try:
            observation = await seen_once(behind.to, behind.ask)
        except (OSError, EOFError):  # TimeoutError is an OSError
            return None
        claims = observed_claims(
            gateway=connector_instance(self._workspace.unit.public(self._handle)),
            device=device_identity(behind.subject),
            sequence=self._boot * _TURNS + min(self._sequence, _TURNS - 1),
            observation=observation,
            nonce=nonce,
        )
        return [behind.subject, await asyncio.to_thread(self._signed, claims)]

    def _quoted(self, nonce: bytes) -> tuple[list[Any] | None, str]:
        """The chip's word about the machine; none where the chip does not answer, and why."""
        from kizuna.app.wiring.devices.quoting import quote_device

        machine = self._machine
        if machine is None:
            return None, ""
        try:
            done = quote_device(
                machine.unit,
                self._workspace.path / CHIP,
                self._workspace.settings,
                nonce=nonce,
                selection=machine.registers,
            )
        except (Problem, OSError) as fault:
            return None, str(fault)[:400]
        return [machine.subject, done.evidence], ""

    def _signed(self, claims: dict[int, Any]) -> bytes:
        from kizuna.roots.cose import encode, sign1

        return sign1(self._workspace.unit, self._handle, {}, encode(claims))

    def _send(self, words: list[list[Any]]) -> None:
        from kizuna.roots.cose import decode, encode

        told = decode(
            post(
                f"{self._url}/api/devices/evidence",
                encode(words),
                {"content-type": "application/cbor"},
                limit=_ANSWER,
            ),
            4,
        )
        match told:
            case list() if len(told) == len(words) and all(_is_answer(one) for one in told):
                self.last = {
                    word[0]: standing or status
                    for word, (status, standing, *_) in zip(words, told, strict=True)
                }
                refused = [
                    f"{word[0]}: {reason}"
                    for word, (status, _, reason, *_) in zip(words, told, strict=True)
                    if status == "refused"
                ]
                self.trouble = "; ".join(refused)[:400]
            case _:
                raise _strange()


def _is_answer(one: object) -> bool:
    return isinstance(one, list) and len(one) >= 3 and all(isinstance(x, str) for x in one[:3])


def _epoch(message: bytes) -> tuple[int, bytes]:
    """Number and nonce of a verifier's epoch.

    The signature is not asked for: a false nonce makes evidence that no verifier accepts.
    """
    from kizuna.roots.cose import decode, read_sign1

    match decode(read_sign1(message).payload or b"", 2):
        case {1: int() as number, 2: bytes() as nonce} if 8 <= len(nonce) <= 64:
            return number, nonce
    raise _strange()


def _started(folder: Path) -> int:
    """One more start of this store's connector; durably counted before anything is said."""
    path = folder / _STARTS
    try:
        last = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        last = 0
    write_whole(path, str(last + 1).encode())
    return last + 1


def _strange() -> Malformed:
    return Malformed(
        "connector.verifier",
        "the verifier's answer cannot be read",
        why="it is not what the door of a fleet answers",
        hint="check the address given with --report",
    )
