# SPDX-License-Identifier: Apache-2.0
"""Taking lists of others in: verified, mapped, shown, then entered into a list of one's own.

::

    lists/<digest of its name>/taken.json   whence, whose key, which issue, when; last failure
    lists/<digest of its name>/issue        the last good issue, as received
    lists/<digest of its name>/forks/…      issues of one number that differ: evidence

Keeps: 1. Whatever fails changes nothing but the note of the failure: the last good issue stays in
force, and its age is told wherever the list is shown or judged by. 2. An older issue, or another
one of the same number, is refused; the latter is kept as evidence. 3. Only differences are entered.
4. Signer and mapping come from this verifier and are remembered from the first time on.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.lists.own import TrustLists
from kizuna.app.wiring.lists.taken import Signer, Taken, folder_of, taken_lists
from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Absent, Malformed, Problem, Tampered
from kizuna.model.identifier import SubjectId
from kizuna.record.lists import ListState
from kizuna.record.lists.authoring import Step, check_names, plan
from kizuna.record.lists.foreign import ForeignList, iso
from kizuna.record.lists.mapping import TypeMapping, apply_mapping, read_mapping
from kizuna.roots.identity import pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["ForeignLists", "Signer", "Taken", "step_json"]


def pointers_json(foreign: ForeignList) -> list[dict[str, Any]]:
    """The other lists that a list names, each with the fingerprints of those who sign it."""
    return [
        {
            "location": one.location,
            "note": one.note,
            "signers": [sha256(der).hexdigest() for der in one.certificates],
        }
        for one in foreign.pointers
    ]


def named_signer(
    data: bytes, address: str, signer: Signer, location: str, *, now: int
) -> tuple[bytes, ...]:
    """The certificates (DER) by which a list says that another one is signed.

    Args:
        data: the list that points.
        address: where it came from.
        signer: who must have signed it.
        location: address of the other list, as the list writes it.
        now: seconds since 1970.

    Raises:
        Absent: ``list.no-pointer``. Refused: ``list.expired``. Malformed, Tampered: ``list.*``.
    """
    from kizuna.app.wiring.lists.reading import read_list

    foreign = read_list(
        data,
        keys=pinned_keys(signer.keys),
        certificates=tuple(base64.b64decode(text) for text in signer.certificates),
        now=now,
        address=address,
    )
    foreign.check_current(now)
    found = tuple(
        der for one in foreign.pointers if one.location == location for der in one.certificates
    )
    if not found:
        raise Absent(
            "list.no-pointer",
            f"{foreign.id} names no signer for {location[:200]}",
            why=f"it points to {len(foreign.pointers)} other lists",
            hint="`kizuna list take LIST --name NAME --preview` prints where it points",
            location=location[:200],
            list=foreign.id,
        )
    return found


class ForeignLists:
    """The foreign lists of one store."""

    def __init__(self, workspace: Owner, lists: TrustLists) -> None:
        self._workspace = workspace
        self._lists = lists

    def all(self) -> list[Taken]:
        """Every list that was taken in, by name.

        Raises:
            Misconfigured: ``list.file``.
        """
        return taken_lists(self._workspace.path)

    def named(self, name: str) -> Taken | None:
        """The one that is kept under this name."""
        return next((taken for taken in self.all() if name in (taken.name, taken.list_id)), None)

    def take(
        self,
        address: str,
        load: Callable[[str], bytes],
        *,
        name: str,
        signer: Signer | None = None,
        mapping: bytes | None = None,
        preview: bool = False,
    ) -> dict[str, Any]:
        """Take a list in from a file or address, or show what that would change.

        Args:
            address: a file, or an http(s) address; remembered.
            load: reads it.
            name: short name of the list of one's own that follows it.
            signer: who must have signed it; needed the first time.
            mapping: a file of what its types are worth here; remembered.
            preview: sign and remember nothing.

        Raises:
            Problem: ``list.*``, ``request.*``, ``file.*``: nothing changed, the last good issue
                stays, and the failure is remembered.
        """
        from kizuna.app.wiring.lists.reading import read_list

        held = self.named(name)
        if held is not None:
            signer = signer or held.signer
        if signer is None or not (signer.keys or signer.certificates):
            raise Malformed(
                "list.signer-missing",
                "by whose signature is the list to be known?",
                why="a key or certificate inside the list is never believed",
                hint="give --key or --certificate, as its operator handed it to you",
            )
        rules = read_mapping(mapping) if mapping is not None else None
        try:
            data = load(address)
            foreign = read_list(
                data,
                keys=pinned_keys(signer.keys),
                certificates=tuple(base64.b64decode(text) for text in signer.certificates),
                now=self._workspace.clock(),
                address=address,
            )
            return self.take_in(
                foreign,
                data,
                name=name,
                address=address,
                signer=signer,
                mapping=rules,
                preview=preview,
            )
        except Problem as problem:
            if held is not None and not preview:
                self._remember_failure(held, problem)
            raise

    def refresh(self, load: Callable[[str], bytes]) -> list[dict[str, Any]]:
        """Ask for the newest issue of every list; what fails stands in its answer."""
        told: list[dict[str, Any]] = []
        for taken in self.all():
            if not taken.address:
                continue
            try:
                told.append(self.take(taken.address, load, name=taken.name))
            except Problem as problem:
                told.append(
                    {
                        "name": taken.name,
                        "problem": problem.as_json(),
                        "outcome": int(problem.outcome),
                        **self.age(taken.name),
                    }
                )
        return told

    def age(self, name: str) -> dict[str, Any]:
        """How old the issue in force is; empty for a list that follows no other."""
        taken = self.named(name)
        return {} if taken is None else {"taken": taken.told(self._workspace.clock())}

    def take_in(
        self,
        foreign: ForeignList,
        data: bytes,
        *,
        name: str,
        address: str,
        signer: Signer,
        mapping: TypeMapping | None = None,
        preview: bool = False,
    ) -> dict[str, Any]:
        """Take in what a reader read and verified: every standard comes through here.

        Raises:
            Refused: ``list.expired``, ``list.not-yet``, ``list.exists``. Tampered:
            ``list.rolled-back``, ``list.forked``, ``list.claimed-twice``, ``list.other-list``.
        """
        now = self._workspace.clock()
        held = self.named(name)
        if held is not None:
            self._check_successor(held, foreign, data)
        foreign.check_current(now)
        self._check_source(foreign, name)
        rules = mapping or (held.mapping if held is not None else TypeMapping())
        mapped = apply_mapping(foreign, rules)
        state = self._state(name, held)
        steps = plan(state, mapped.wanted, gone=f"no longer in {foreign.id}"[:400])
        keys = {
            member: pinned_keys(want.keys) for member, want in mapped.wanted.items() if want.keys
        }
        check_names(mapped.wanted, self._elsewhere(set(keys), name), keys, name)
        told = {
            "name": name,
            "source": foreign.id,
            "operator": foreign.operator,
            "title": foreign.title,
            "standard": foreign.standard,
            "sequence": foreign.sequence,
            "issued": iso(foreign.issued),
            "next_update": None if foreign.next_update is None else iso(foreign.next_update),
            "entries": len(foreign.entries),
            "members": sum(w.state.value == "granted" for w in mapped.wanted.values()),
            "changes": [step_json(step) for step in steps],
            "not_understood": dict(mapped.not_understood),
            "passed_over": list(foreign.passed_over[:100]),
            "pointers": pointers_json(foreign),
            "preview": preview,
        }
        if preview:
            return told
        if held is None:
            self._lists.create(name, title=(foreign.title or foreign.operator)[:4000])
        told["registered"] = self._lists.enter(name, steps)
        self._lists.fresh_until(name, foreign.next_update)
        self._remember(foreign, data, name, address, signer, rules)
        return told

    # --- inside -------------------------------------------------------------------------------

    def _state(self, name: str, held: Taken | None) -> ListState:
        from kizuna.record.lists import list_id_of

        if held is not None:
            return self._lists.state(name)
        self._lists.check_free(name)
        identity = self._workspace.identity
        return ListState(list_id=list_id_of(identity, name), operator=identity, entries={})

    def _check_successor(self, held: Taken, foreign: ForeignList, data: bytes) -> None:
        if foreign.id != held.source:
            raise Tampered(
                "list.other-list",
                f"this is the list {foreign.id}, not {held.source}",
                why="a list was put in the place of another",
                hint="take it in under a name of its own",
                list=foreign.id[:200],
                held=held.source[:200],
            )
        try:
            foreign.check_newer(held.sequence, bytes.fromhex(held.document))
        except Tampered as problem:
            if problem.code == "list.forked":
                folder = self._folder(held.list_id) / "forks"
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / foreign.document.hex(), data)
            raise

    def _check_source(self, foreign: ForeignList, name: str) -> None:
        """One list is followed under one name: two would answer each other's question."""
        for taken in self.all():
            if taken.source == foreign.id and taken.name != name:
                raise Tampered(
                    "list.anchored-twice",
                    f"{foreign.id} is taken in already, as {taken.name}",
                    why="two signers would claim to be the same list",
                    hint=f"take it in with --name {taken.name}",
                    list=foreign.id[:200],
                    name=taken.name,
                )

    def _elsewhere(
        self, members: set[SubjectId], name: str
    ) -> Mapping[SubjectId, tuple[str, Sequence[PublicKey]]]:
        """The keys that other lists, or the verifier, hold for these members."""
        found: dict[SubjectId, tuple[str, Sequence[PublicKey]]] = {}
        if not members:
            return found
        anchors = self._workspace.anchors()
        for pinned in anchors.identities:
            if pinned.id in members:
                found[SubjectId(pinned.id)] = ("trust.json", pinned_keys(pinned.keys))
        for anchor in anchors.lists:
            if anchor.name == name:
                continue
            for member, entry in self._lists.state(anchor.name).entries.items():
                if member in members and entry.keys and entry.state.value == "granted":
                    found.setdefault(member, (anchor.name, pinned_keys(entry.keys)))
        return found

    def _folder(self, list_id: str) -> Path:
        return folder_of(self._workspace.path, list_id)

    def _remember(
        self,
        foreign: ForeignList,
        data: bytes,
        name: str,
        address: str,
        signer: Signer,
        mapping: TypeMapping,
    ) -> None:
        now = self._workspace.clock()
        anchor = self._lists.anchor(name)
        folder = self._folder(anchor.id)
        folder.mkdir(parents=True, exist_ok=True)
        held = self.named(name)
        same = held is not None and held.document == foreign.document.hex()
        write_whole(folder / "issue", data)
        self._write(
            Taken(
                name=name,
                list_id=anchor.id,
                source=foreign.id,
                address=address,
                signer=signer,
                mapping=mapping,
                standard=foreign.standard,
                operator=foreign.operator,
                title=foreign.title,
                sequence=foreign.sequence,
                issued=foreign.issued,
                next_update=foreign.next_update,
                document=foreign.document.hex(),
                taken_at=held.taken_at if held is not None and same else now,
                checked_at=now,
            )
        )

    def _remember_failure(self, held: Taken, problem: Problem) -> None:
        self._write(
            msgspec.structs.replace(
                held,
                failed_at=self._workspace.clock(),
                failure=problem.code,
                failure_words=problem.what[:400],
            )
        )

    def _write(self, taken: Taken) -> None:
        data = msgspec.json.format(msgspec.json.encode(taken), indent=1)
        write_whole(self._folder(taken.list_id) / "taken.json", data + b"\n")


def step_json(step: Step) -> dict[str, Any]:
    """One difference, as it is shown before it is signed."""
    before = step.before
    return {
        "member": step.member,
        "name": step.entry.name or "",
        "what": step.what.value,
        "reason": step.entry.reason or "",
        "before": [] if before is None else [msgspec.to_builtins(s) for s in before.services],
        "after": [msgspec.to_builtins(s) for s in step.entry.services],
    }
