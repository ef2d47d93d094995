# SPDX-License-Identifier: Apache-2.0
"""Carrying out a manifest: a machine that compares, copies and asks its caller for bytes.

Keeps: 1. It reads and writes only the components it was given; a fetch asks the caller, who may say
no. 2. The number of steps is bounded by the manifest, which is bounded: there are no loops and no
jumps. 3. The first condition that fails ends the run, with its command and component named, and
what the run changed is returned only where it succeeded. 4. Older sequence numbers are refused
before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import new
from hmac import compare_digest
from typing import Any, Final

from kizuna.model.errors import Refused
from kizuna.roots.boot.suit.manifest import (
    DIGESTS,
    Argument,
    Command,
    CommandSequence,
    Manifest,
    Parameter,
    Procedure,
    SuitDigest,
    indices,
)

__all__ = ["Content", "Device", "Failure", "Run", "boot", "install"]

Fetch = Callable[[str], "Content | None"]

_UPDATE: Final = (
    Procedure.PAYLOAD_FETCH,
    Procedure.CANDIDATE_VERIFICATION,
    Procedure.INSTALL,
    Procedure.VALIDATE,
)
_BOOT: Final = (Procedure.VALIDATE, Procedure.LOAD, Procedure.INVOKE)
MAX_STEPS: Final = 4096


@dataclass(frozen=True, slots=True)
class Content:
    """What a component holds: bytes, or only their size and digests where they are elsewhere."""

    size: int
    digests: Mapping[int, bytes] = field(default_factory=dict)
    data: bytes | None = None

    @staticmethod
    def of(data: bytes) -> Content:
        """The content of these bytes."""
        return Content(len(data), {}, data)

    def digest(self, algorithm: int) -> bytes | None:
        """The digest under a COSE hash algorithm; None where it cannot be known."""
        if self.data is not None:
            return new(DIGESTS[algorithm], self.data).digest()
        return self.digests.get(algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the device is and holds: identifiers, the installed sequence number, its components."""

    vendor: bytes
    model: bytes
    unique: bytes | None = None
    sequence: int | None = None
    """Sequence number of the manifest installed; None where none ever was."""
    slots: Mapping[tuple[bytes, ...], Content] = field(default_factory=dict)
    place: int = 0
    """The slot (A or B) into which an update would go now."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The command that failed: ``why`` is ``vendor``, ``class``, ``device``, ``digest``, ``size``,
    ``empty``, ``fetch``, ``parameter``, ``slot``, ``content``, ``abort`` or ``steps``.
    """

    procedure: Procedure
    command: str
    component: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What carrying out came to."""

    failure: Failure | None
    slots: Mapping[tuple[bytes, ...], Content]
    """Components afterwards; as they were where the run failed."""
    steps: tuple[str, ...]
    """What was done, one word and component a step."""
    invoked: int | None = None
    """The component that was started."""

    @property
    def succeeded(self) -> bool:
        """Whether every condition held."""
        return self.failure is None


def install(manifest: Manifest, device: Device, fetch: Fetch) -> Run:
    """Fetch, check, install and validate.

    Raises:
        Refused: ``firmware.rollback`` where the manifest is not newer than what is installed.
    """
    if device.sequence is not None and manifest.sequence <= device.sequence:
        raise rollback(manifest.sequence, device.sequence)
    return _run(manifest, device, _UPDATE, fetch)


def boot(manifest: Manifest, device: Device) -> Run:
    """Validate, load and start what is installed.

    Raises:
        Refused: ``firmware.rollback`` where the manifest is older than what is installed.
    """
    if device.sequence is not None and manifest.sequence < device.sequence:
        raise rollback(manifest.sequence, device.sequence)
    return _run(manifest, device, _BOOT, lambda _: None)


def rollback(offered: int, installed: int) -> Refused:
    """The problem of a manifest that is not newer than what is installed."""
    return Refused(
        "firmware.rollback",
        f"manifest {offered} is not newer than manifest {installed}, which is installed",
        why="an older version may bring back what was mended since",
        hint="ask the maker for a manifest with a higher sequence number",
        offered=offered,
        installed=installed,
    )


class _Failed(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, command: Command, component: int, why: str) -> None:
        super().__init__(why)
        self.command, self.component, self.why = command, component, why


class _Machine:
    """The state of one run."""

    def __init__(self, manifest: Manifest, device: Device, fetch: Fetch) -> None:
        self.manifest, self.device, self.fetch = manifest, device, fetch
        count = len(manifest.components)
        self.everything = tuple(range(count))
        self.current: tuple[int, ...] = (0,)
        self.parameters: list[dict[Parameter, Any]] = [{} for _ in range(count)]
        self.slots: list[Content | None] = [device.slots.get(name) for name in manifest.components]
        self.steps: list[str] = []
        self.invoked: int | None = None
        self.soft = False

    def begin(self) -> None:
        """Each procedure starts with the first component and the parameters of the shared part."""
        self.current = (0,)
        self.parameters = [{} for _ in self.everything]
        self.soft = False

    def run(self, sequence: CommandSequence) -> None:
        for command, argument in sequence:
            self.do(command, argument)

    def do(self, command: Command, argument: Argument) -> None:
        if command is Command.SET_COMPONENT_INDEX:
            self.current = indices(argument, self.everything)
        elif command is Command.TRY_EACH:
            self.try_each(argument)
        elif command is Command.RUN_SEQUENCE:
            self.nested(argument)
        elif command in (Command.SET_PARAMETERS, Command.OVERRIDE_PARAMETERS):
            self.set(argument, override=command is Command.OVERRIDE_PARAMETERS)
        else:
            for component in self.current:
                if len(self.steps) >= MAX_STEPS:
                    raise _Failed(command, component, "steps")
                self.steps.append(f"{command.name.lower().replace('_', '-')} {component}")
                _DO[command](self, command, component)

    def set(self, argument: Argument, *, override: bool) -> None:
        if not isinstance(argument, Mapping):
            return
        values = {key: value for key, value in argument.items() if key not in _FLAGS}
        if Parameter.SOFT_FAILURE in argument:
            self.soft = bool(argument[Parameter.SOFT_FAILURE])
        for component in self.current:
            held = self.parameters[component]
            self.parameters[component] = held | values if override else values | held

    def nested(self, argument: Argument) -> None:
        current, soft = self.current, self.soft
        self.soft = False
        try:
            for sequence in argument if isinstance(argument, tuple) else ():
                if isinstance(sequence, tuple):
                    self.run(sequence)
        except _Failed:
            if not self.soft:
                raise
        finally:
            self.current, self.soft = current, soft

    def try_each(self, argument: Argument) -> None:
        """The first alternative that goes through counts; a failed one leaves nothing behind."""
        last: _Failed | None = None
        for sequence in argument if isinstance(argument, tuple) else ():
            if sequence is None:
                return
            kept = (self.current, self.soft, list(self.slots), self.invoked)
            parameters = [dict(one) for one in self.parameters]
            try:
                if isinstance(sequence, tuple):
                    self.run(sequence)
            except _Failed as failed:
                last = failed
                self.current, self.soft, self.slots, self.invoked = kept
                self.parameters = parameters
            else:
                self.current, self.soft = kept[0], kept[1]
                return
        if last is not None:
            raise last

    def needed(self, command: Command, component: int, parameter: Parameter) -> Any:  # noqa: ANN401
        value = self.parameters[component].get(parameter)
        if value is None:
            raise _Failed(command, component, "parameter")
        return value

    def held(self, command: Command, component: int) -> Content:
        content = self.slots[component]
        if content is None:
            raise _Failed(command, component, "empty")
        return content

    def identity(self, command: Command, component: int) -> None:
        parameter, held, why = {
            Command.VENDOR: (Parameter.VENDOR, self.device.vendor, "vendor"),
            Command.CLASS: (Parameter.CLASS, self.device.model, "class"),
            Command.DEVICE: (Parameter.DEVICE, self.device.unique, "device"),
        }[command]
        if self.needed(command, component, parameter) != held:
            raise _Failed(command, component, why)

    def image_match(self, command: Command, component: int) -> None:
        wanted = self.needed(command, component, Parameter.IMAGE_DIGEST)
        content = self.held(command, component)
        size = self.parameters[component].get(Parameter.IMAGE_SIZE)
        if size is not None and size != content.size:
            raise _Failed(command, component, "size")
        if not isinstance(wanted, SuitDigest):
            raise _Failed(command, component, "parameter")
        made = content.digest(wanted.algorithm)
        if made is None or not compare_digest(made, wanted.value):
            raise _Failed(command, component, "digest")

    def check_content(self, command: Command, component: int) -> None:
        wanted = self.needed(command, component, Parameter.CONTENT)
        data = self.held(command, component).data
        if data is None or not compare_digest(data, wanted):
            raise _Failed(command, component, "content")

    def slot(self, command: Command, component: int) -> None:
        if self.needed(command, component, Parameter.SLOT) != self.device.place:
            raise _Failed(command, component, "slot")

    def abort(self, command: Command, component: int) -> None:
        raise _Failed(command, component, "abort")

    def fetched(self, command: Command, component: int) -> None:
        content = self.fetch(self.needed(command, component, Parameter.URI))
        if content is None:
            raise _Failed(command, component, "fetch")
        size = self.parameters[component].get(Parameter.IMAGE_SIZE)
        if size is not None and content.size > size:
            raise _Failed(command, component, "size")
        self.slots[component] = content

    def write(self, command: Command, component: int) -> None:
        data: bytes = self.needed(command, component, Parameter.CONTENT)
        self.slots[component] = Content.of(data)

    def copy(self, command: Command, component: int) -> None:
        source = self.needed(command, component, Parameter.SOURCE)
        self.slots[component] = self.held(command, source)

    def swap(self, command: Command, component: int) -> None:
        source = self.needed(command, component, Parameter.SOURCE)
        mine, theirs = self.held(command, component), self.held(command, source)
        self.slots[component], self.slots[source] = theirs, mine

    def invoke(self, command: Command, component: int) -> None:
        self.held(command, component)
        self.invoked = component


_FLAGS: Final = (Parameter.STRICT_ORDER, Parameter.SOFT_FAILURE)
_DO: Final[dict[Command, Callable[[_Machine, Command, int], None]]] = {
    Command.VENDOR: _Machine.identity,
    Command.CLASS: _Machine.identity,
    Command.DEVICE: _Machine.identity,
    Command.IMAGE_MATCH: _Machine.image_match,
    Command.CHECK_CONTENT: _Machine.check_content,
    Command.SLOT: _Machine.slot,
    Command.ABORT: _Machine.abort,
    Command.WRITE: _Machine.write,
    Command.FETCH: _Machine.fetched,
    Command.COPY: _Machine.copy,
    Command.SWAP: _Machine.swap,
    Command.INVOKE: _Machine.invoke,
}


def _run(
    manifest: Manifest, device: Device, procedures: tuple[Procedure, ...], fetch: Fetch
) -> Run:
    machine = _Machine(manifest, device, fetch)
    nothing = Run(failure=None, slots=dict(device.slots), steps=())
    for procedure in procedures:
        sequence = manifest.procedures.get(procedure)
        if sequence is None and procedure in manifest.severed:
            failure = Failure(procedure, "severed", 0, "parameter")
            return replace(nothing, failure=failure, steps=tuple(machine.steps))
        if sequence is None:
            continue
        machine.begin()
        try:
            machine.run(manifest.shared)
            machine.current = (0,)
            machine.run(sequence)
        except _Failed as failed:
            failure = Failure(
                procedure,
                failed.command.name.lower().replace("_", "-"),
                failed.component,
                failed.why,
            )
            return replace(nothing, failure=failure, steps=tuple(machine.steps))
    slots = dict(device.slots)
    named = zip(manifest.components, machine.slots, strict=True)
    slots |= {name: content for name, content in named if content is not None}
    return Run(failure=None, slots=slots, steps=tuple(machine.steps), invoked=machine.invoked)
