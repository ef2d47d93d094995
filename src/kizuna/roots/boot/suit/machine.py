# SPDX-License-Identifier: Apache-2.0
"""The machine that carries out one manifest, and those on which it depends, step by step.

Keeps: 1. It touches only components that were named; a dependency's components stand under the
prefix that its dependent gave it. 2. Steps are bounded over all manifests of a run, and depth is:
there are no loops and no jumps. 3. A dependency is opened by the caller, under keys that count for
it, before anything in it is read, and never when it is older than what was installed. 4. An
encrypted payload is opened where the manifest says so, and nowhere is a ciphertext taken for what
is inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import new
from hmac import compare_digest
from typing import Any, Final

from kizuna.model.errors import Refused
from kizuna.roots.boot.suit.commands import (
    DIGESTS,
    Argument,
    Command,
    CommandSequence,
    Parameter,
    SuitDigest,
    indices,
)
from kizuna.roots.boot.suit.manifest import Component, Manifest, Procedure
from kizuna.roots.cose.encrypted import Opener, decrypt, read_encrypted

__all__ = ["Content", "Dependency", "Device", "Failed", "Machine", "State", "rollback"]

MAX_STEPS: Final = 4096
MAX_DEPENDENCIES: Final = 4
"""How deep manifests may depend on each other."""


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
    dependencies: Mapping[Component, int] = field(default_factory=dict)
    """Sequence numbers of the manifests installed on which that one depends."""
    slots: Mapping[Component, Content] = field(default_factory=dict)
    place: int = 0
    """The slot (A or B) into which an update would go now."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A manifest on which another depends, after its signature held under a key that counts."""

    manifest: Manifest
    digest: SuitDigest
    """What its own signature covers."""
    payloads: Mapping[str, bytes] = field(default_factory=dict)


Fetch = Callable[[str], Content | None]
Opening = Callable[[bytes], Dependency]
"""Opens the envelope of a dependency, or raises why not."""


class Failed(Exception):  # noqa: N818 - never leaves this package
    """A command that failed, on a component, and why."""

    def __init__(self, command: Command, component: int, why: str) -> None:
        super().__init__(why)
        self.command, self.component, self.why = command, component, why


@dataclass(slots=True)
class State:
    """What a run works on, shared by a manifest and its dependencies."""

    device: Device
    opening: Opening | None
    openers: Sequence[Opener]
    slots: dict[Component, Content]
    procedure: Procedure
    steps: list[str] = field(default_factory=list)
    started: Component | None = None
    arguments: bytes | None = None
    sequences: dict[Component, int] = field(default_factory=dict)
    """Sequence numbers of the dependencies that were carried out."""
    done: dict[Component, set[Procedure]] = field(default_factory=dict)
    held: dict[Component, frozenset[Procedure]] = field(default_factory=dict)
    unchecked: set[Component] = field(default_factory=set)
    """What was put into components in this run and no digest covered yet."""


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


class Machine:
    """One manifest being carried out."""

    def __init__(
        self,
        manifest: Manifest,
        state: State,
        fetch: Fetch,
        *,
        prefix: Component = (),
        given: Mapping[Component, Mapping[Parameter, Any]] | None = None,
        depth: int = 0,
        word: str = "",
    ) -> None:
        self.manifest, self.state, self.fetch = manifest, state, fetch
        self.names = tuple((*prefix, *name) for name in manifest.components)
        self.everything = tuple(range(len(self.names)))
        self.given, self.depth, self.word = given or {}, depth, word
        self.current: tuple[int, ...] = (0,)
        self.parameters: list[dict[Parameter, Any]] = []
        self.invoked: int | None = None
        self.soft = False
        self._acts: dict[Command, Callable[[Command, int], None]] = {
            Command.VENDOR: self._identity,
            Command.CLASS: self._identity,
            Command.DEVICE: self._identity,
            Command.IMAGE_MATCH: self._image_match,
            Command.CHECK_CONTENT: self._check_content,
            Command.SLOT: self._slot,
            Command.ABORT: self._abort,
            Command.WRITE: self._write,
            Command.FETCH: self._fetched,
            Command.COPY: self._copy,
            Command.SWAP: self._swap,
            Command.INVOKE: self._invoke,
            Command.IS_DEPENDENCY: self._is_dependency,
            Command.DEPENDENCY_INTEGRITY: self._dependency_integrity,
            Command.PROCESS_DEPENDENCY: self._process_dependency,
        }

    def carry_out(self, procedure: Procedure, sequence: CommandSequence) -> None:
        """The shared part, then the sequence: each begins with the first component.

        Raises:
            Failed: where a condition does not hold.
            Refused, Tampered: where a dependency or an encrypted payload is not taken.
        """
        self.state.procedure = procedure
        self.parameters = [dict(self.given.get(name, {})) for name in self.names]
        self.soft = False
        for commands in (self.manifest.shared, sequence):
            self.current = (0,)
            self._run(commands)

    def _run(self, sequence: CommandSequence) -> None:
        for command, argument in sequence:
            self._do(command, argument)

    def _do(self, command: Command, argument: Argument) -> None:
        if command is Command.SET_COMPONENT_INDEX:
            self.current = indices(argument, self.everything)
        elif command is Command.TRY_EACH:
            self._try_each(argument)
        elif command is Command.RUN_SEQUENCE:
            self._nested(argument)
        elif command in (Command.SET_PARAMETERS, Command.OVERRIDE_PARAMETERS):
            self._set(argument, override=command is Command.OVERRIDE_PARAMETERS)
        else:
            for component in self.current:
                if len(self.state.steps) >= MAX_STEPS:
                    raise Failed(command, component, "steps")
                word = command.name.lower().replace("_", "-")
                self.state.steps.append(f"{self.word}{word} {component}")
                self._acts[command](command, component)

    def _set(self, argument: Argument, *, override: bool) -> None:
        if not isinstance(argument, Mapping):
            return
        values = {key: value for key, value in argument.items() if key not in _FLAGS}
        if Parameter.SOFT_FAILURE in argument:
            self.soft = bool(argument[Parameter.SOFT_FAILURE])
        for component in self.current:
            held = self.parameters[component]
            self.parameters[component] = held | values if override else values | held

    def _nested(self, argument: Argument) -> None:
        current, soft = self.current, self.soft
        self.soft = False
        try:
            for sequence in argument if isinstance(argument, tuple) else ():
                if isinstance(sequence, tuple):
                    self._run(sequence)
        except Failed:
            if not self.soft:
                raise
        finally:
            self.current, self.soft = current, soft

    def _try_each(self, argument: Argument) -> None:
        """The first alternative that goes through counts; a failed one leaves nothing behind."""
        state, last = self.state, None
        for sequence in argument if isinstance(argument, tuple) else ():
            if sequence is None:
                return
            kept = (self.current, self.soft, self.invoked)
            before = (dict(state.slots), dict(state.sequences), state.started, state.arguments)
            done = {name: set(procedures) for name, procedures in state.done.items()}
            unchecked = set(state.unchecked)
            parameters = [dict(one) for one in self.parameters]
            try:
                if isinstance(sequence, tuple):
                    self._run(sequence)
            except Failed as failed:
                last = failed
                self.current, self.soft, self.invoked = kept
                state.slots, state.sequences, state.started, state.arguments = before
                state.done, state.unchecked = done, unchecked
                self.parameters = parameters
            else:
                self.current, self.soft = kept[0], kept[1]
                return
        if last is not None:
            raise last

    def _needed(self, command: Command, component: int, parameter: Parameter) -> Any:  # noqa: ANN401
        value = self.parameters[component].get(parameter)
        if value is None:
            raise Failed(command, component, "parameter")
        return value

    def _held(self, command: Command, component: int) -> Content:
        content = self.state.slots.get(self.names[component])
        if content is None:
            raise Failed(command, component, "empty")
        return content

    def _put(self, component: int, content: Content) -> None:
        self.state.slots[self.names[component]] = content
        self.state.unchecked.add(self.names[component])

    def _identity(self, command: Command, component: int) -> None:
        device = self.state.device
        parameter, held, why = {
            Command.VENDOR: (Parameter.VENDOR, device.vendor, "vendor"),
            Command.CLASS: (Parameter.CLASS, device.model, "class"),
            Command.DEVICE: (Parameter.DEVICE, device.unique, "device"),
        }[command]
        if self._needed(command, component, parameter) != held:
            raise Failed(command, component, why)

    def _image_match(self, command: Command, component: int) -> None:
        wanted = self._needed(command, component, Parameter.IMAGE_DIGEST)
        content = self._held(command, component)
        size = self.parameters[component].get(Parameter.IMAGE_SIZE)
        if size is not None and size != content.size:
            raise Failed(command, component, "size")
        if not isinstance(wanted, SuitDigest):
            raise Failed(command, component, "parameter")
        made = content.digest(wanted.algorithm)
        if made is None or not compare_digest(made, wanted.value):
            raise Failed(command, component, "digest")
        self.state.unchecked.discard(self.names[component])

    def _check_content(self, command: Command, component: int) -> None:
        wanted = self._needed(command, component, Parameter.CONTENT)
        data = self._held(command, component).data
        if data is None or not compare_digest(data, wanted):
            raise Failed(command, component, "content")

    def _slot(self, command: Command, component: int) -> None:
        if self._needed(command, component, Parameter.SLOT) != self.state.device.place:
            raise Failed(command, component, "slot")

    def _abort(self, command: Command, component: int) -> None:
        raise Failed(command, component, "abort")

    def _fetched(self, command: Command, component: int) -> None:
        for parameter, why in _NOT_IN_FETCH.items():
            if parameter in self.parameters[component]:
                raise Failed(command, component, why)
        content = self.fetch(self._needed(command, component, Parameter.URI))
        if content is None:
            raise Failed(command, component, "fetch")
        size = self.parameters[component].get(Parameter.IMAGE_SIZE)
        if size is not None and content.size > size:
            raise Failed(command, component, "size")
        self._put(component, content)

    def _write(self, command: Command, component: int) -> None:
        data: bytes = self._needed(command, component, Parameter.CONTENT)
        self._put(component, self._opened(command, component, Content.of(data)))

    def _copy(self, command: Command, component: int) -> None:
        source = self._needed(command, component, Parameter.SOURCE)
        self._put(component, self._opened(command, component, self._held(command, source)))

    def _opened(self, command: Command, component: int, content: Content) -> Content:
        """What is inside, where the component's parameters say that it is encrypted."""
        how: bytes | None = self.parameters[component].get(Parameter.ENCRYPTION)
        if how is None:
            return content
        if content.data is None:
            raise Failed(command, component, "empty")
        return Content.of(decrypt(read_encrypted(how), content.data, self.state.openers))

    def _swap(self, command: Command, component: int) -> None:
        if Parameter.ENCRYPTION in self.parameters[component]:
            raise Failed(command, component, "encryption")
        source = self._needed(command, component, Parameter.SOURCE)
        mine, theirs = self._held(command, component), self._held(command, source)
        self._put(component, theirs)
        self._put(source, mine)

    def _invoke(self, command: Command, component: int) -> None:
        self._held(command, component)
        self.invoked = component
        self.state.started = self.names[component]
        self.state.arguments = self.parameters[component].get(Parameter.INVOKE_ARGS)

    def _is_dependency(self, command: Command, component: int) -> None:
        if component not in self.manifest.dependencies:
            raise Failed(command, component, "dependency")

    def _dependency(self, command: Command, component: int) -> Dependency:
        """The manifest that a component holds, opened under a key that counts for it."""
        self._is_dependency(command, component)
        data = self._held(command, component).data
        if data is None:
            raise Failed(command, component, "empty")
        if self.state.opening is None:
            raise Failed(command, component, "dependency")
        found = self.state.opening(data)
        wanted = self.parameters[component].get(Parameter.IMAGE_DIGEST)
        if isinstance(wanted, SuitDigest) and wanted != found.digest:
            whole = new(DIGESTS[wanted.algorithm], data).digest()
            if not compare_digest(whole, wanted.value):  # image-match covers all of its bytes
                raise Failed(command, component, "digest")
        elif self.names[component] in self.state.unchecked and wanted is None:
            # signed by somebody who counts, and still not the one that was meant: a fetch brings
            # what the network likes
            raise Failed(command, component, "unchecked")
        return found

    def _dependency_integrity(self, command: Command, component: int) -> None:
        self._needed(command, component, Parameter.IMAGE_DIGEST)
        self._dependency(command, component)

    def _process_dependency(self, command: Command, component: int) -> None:
        """Carry out the same sequence of a dependency, with what was set for its components."""
        if self.depth >= MAX_DEPENDENCIES:
            raise Failed(command, component, "depth")
        found, state, name = self._dependency(command, component), self.state, self.names[component]
        known = state.device.dependencies.get(name)
        if known is not None and found.manifest.sequence < known:
            raise rollback(found.manifest.sequence, known)
        procedure = state.procedure
        sequence = found.manifest.procedures.get(procedure)
        if sequence is None and procedure in found.manifest.severed:
            raise Failed(command, component, "severed")
        state.sequences[name] = found.manifest.sequence
        state.held[name] = frozenset(found.manifest.procedures)
        state.done.setdefault(name, set()).add(procedure)

        def fetch(uri: str) -> Content | None:
            if uri.startswith("#"):
                inside = found.payloads.get(uri)
                return None if inside is None else Content.of(inside)
            return self.fetch(uri)

        prefix = self.manifest.dependencies[component]
        within = name[: len(name) - len(self.manifest.components[component])]
        given = dict(zip(self.names, self.parameters, strict=True))
        child = Machine(
            found.manifest,
            state,
            fetch,
            prefix=(*within, *prefix),
            given={one: values for one, values in given.items() if one != name},
            depth=self.depth + 1,
            word=f"{self.word}dependency-{component}/",
        )
        try:
            child.carry_out(procedure, sequence or ())
        except Failed as failed:
            raise Failed(failed.command, component, failed.why) from failed


_FLAGS: Final = (Parameter.STRICT_ORDER, Parameter.SOFT_FAILURE)
_NOT_IN_FETCH: Final = {
    Parameter.ENCRYPTION: "encryption",  # opened by write and copy, as the draft says
    Parameter.FETCH_ARGS: "arguments",  # there is nobody here to give them to
}
