# SPDX-License-Identifier: Apache-2.0
"""Carrying out a manifest: updating and starting, each a few procedures in their order.

Keeps: 1. A run reads and writes only the components it was given; a fetch asks the caller, who may
say no. 2. The first condition that fails ends the run, with its command and component named, and
what the run changed is returned only where it succeeded. 3. Older sequence numbers are refused
before the first step. 4. What a manifest holds and a run did not carry out is named in its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kizuna.roots.boot.suit.machine import (
    Content,
    Dependency,
    Device,
    Failed,
    Fetch,
    Machine,
    Opening,
    State,
    rollback,
)
from kizuna.roots.boot.suit.manifest import Component, Manifest, Procedure
from kizuna.roots.cose.encrypted import Opener

__all__ = ["Content", "Dependency", "Device", "Failure", "Run", "boot", "install", "rollback"]

_UPDATE: Final = (
    Procedure.DEPENDENCY_RESOLUTION,
    Procedure.PAYLOAD_FETCH,
    Procedure.CANDIDATE_VERIFICATION,
    Procedure.INSTALL,
    Procedure.VALIDATE,
)
_BOOT: Final = (Procedure.VALIDATE, Procedure.LOAD, Procedure.INVOKE)


@dataclass(frozen=True, slots=True)
class Failure:
    """The command that failed: ``why`` is ``vendor``, ``class``, ``device``, ``digest``, ``size``,
    ``empty``, ``fetch``, ``parameter``, ``slot``, ``content``, ``abort``, ``steps``,
    ``dependency``, ``unchecked``, ``severed``, ``depth``, ``encryption`` or ``arguments``.
    """

    procedure: Procedure
    command: str
    component: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What carrying out came to."""

    failure: Failure | None
    slots: Mapping[Component, Content]
    """Components afterwards; as they were where the run failed."""
    steps: tuple[str, ...]
    """What was done, one word and component a step."""
    invoked: int | None = None
    """The component that was started."""
    started: Component | None = None
    """Its whole name, also where a dependency started it."""
    arguments: bytes | None = None
    """What it was started with."""
    dependencies: Mapping[Component, int] = field(default_factory=dict)
    """Sequence numbers of the dependencies that were carried out."""
    left: tuple[str, ...] = ()
    """What the manifest, or a dependency, holds and this run did not carry out."""

    @property
    def succeeded(self) -> bool:
        """Whether every condition held."""
        return self.failure is None


def install(
    manifest: Manifest,
    device: Device,
    fetch: Fetch,
    *,
    opening: Opening | None = None,
    openers: Sequence[Opener] = (),
) -> Run:
    """Fetch, check, install and validate.

    Args:
        manifest: the manifest, opened under a key that counts.
        device: what the device is and holds.
        fetch: gives what a URI names, or None.
        opening: opens the manifests on which this one depends; without it they are refused.
        openers: keys that open encrypted payloads.

    Raises:
        Refused: ``firmware.rollback`` where the manifest is not newer than what is installed, or a
            dependency older than its own; ``envelope.not-for-us``, ``envelope.cipher``.
        Tampered: ``envelope.ciphertext``; as ``opening``.
    """
    if device.sequence is not None and manifest.sequence <= device.sequence:
        raise rollback(manifest.sequence, device.sequence)
    return _run(manifest, device, _UPDATE, fetch, opening, openers)


def boot(
    manifest: Manifest,
    device: Device,
    *,
    opening: Opening | None = None,
    openers: Sequence[Opener] = (),
) -> Run:
    """Validate, load and start what is installed.

    Raises:
        Refused: ``firmware.rollback`` where the manifest is older than what is installed; as
            ``install``.
    """
    if device.sequence is not None and manifest.sequence < device.sequence:
        raise rollback(manifest.sequence, device.sequence)
    return _run(manifest, device, _BOOT, lambda _: None, opening, openers)


def _run(
    manifest: Manifest,
    device: Device,
    procedures: tuple[Procedure, ...],
    fetch: Fetch,
    opening: Opening | None,
    openers: Sequence[Opener],
) -> Run:
    state = State(device, opening, openers, dict(device.slots), procedures[0])
    machine = Machine(manifest, state, fetch)
    nothing = Run(failure=None, slots=dict(device.slots), steps=())
    for procedure in procedures:
        sequence = manifest.procedures.get(procedure)
        if sequence is None and procedure in manifest.severed:
            failure = Failure(procedure, "severed", 0, "parameter")
            return replace(nothing, failure=failure, steps=tuple(state.steps))
        if sequence is None:
            continue
        try:
            machine.carry_out(procedure, sequence)
        except Failed as failed:
            failure = Failure(
                procedure,
                failed.command.name.lower().replace("_", "-"),
                failed.component,
                failed.why,
            )
            return replace(nothing, failure=failure, steps=tuple(state.steps))
    return Run(
        failure=None,
        slots=state.slots,
        steps=tuple(state.steps),
        invoked=machine.invoked,
        started=state.started,
        arguments=state.arguments,
        dependencies=state.sequences,
        left=_left(manifest, state, procedures),
    )


def _left(manifest: Manifest, state: State, procedures: tuple[Procedure, ...]) -> tuple[str, ...]:
    """The procedures that were not this run's, and what of the dependencies was not reached."""
    left = [_word(one) for one in sorted(manifest.procedures) if one not in procedures]
    for index in sorted(manifest.dependencies):
        name = manifest.components[index]
        if name not in state.done:
            left.append(f"dependency {index}")
            continue
        left += [
            f"dependency {index}: {_word(one)}"
            for one in sorted(state.held[name] - state.done[name])
        ]
    return tuple(left)


def _word(procedure: Procedure) -> str:
    return procedure.name.lower().replace("_", "-")
