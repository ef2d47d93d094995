# SPDX-License-Identifier: Apache-2.0
"""Evidence: what a judgement needs from whoever holds the statements.

A store's reader is evidence, and so is a proof bundle; the chain speaks to both in sets, never in
single keys. ``MemoryEvidence`` holds a list, for worlds and for a first look.

Keeps: statements arrive checked (signature, key authorised at registration) and at their place in
a log; whoever offers evidence answers for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from kizuna.model.identifier import Digest
from kizuna.model.statement import Registered
from kizuna.model.verdict import Known
from kizuna.record.log.keys import keys_of

__all__ = ["Evidence", "MemoryEvidence"]


class Evidence(Protocol):
    """Registered statements, through one reader's view.

    Four members more are read where they are present: ``quorum`` (how many of the verifier's
    witnesses cosigned what ``heads`` says), ``as_of`` (the instant of the last good checkpoint of a
    store that is not at hand), ``shortfalls`` (by the code of a finding, what the evidence could
    not prove of what it was asked) and ``gaps`` (by name, which stores could not tell what they
    hold of it, as codes and what they are about).
    """

    @property
    def view(self) -> str:
        """Name of the reader's view; it stands in the verdict."""
        ...

    def heads(self) -> tuple[Known, ...]:
        """One checkpoint of each log: what is known."""
        ...

    def all(self) -> Iterator[Sequence[Registered]]:
        """Everything, in the order of the log, in batches."""
        ...

    def by_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[Registered]]:
        """The complete lists of map keys."""
        ...

    def by_digests(self, digests: Sequence[Digest]) -> Mapping[Digest, Registered]:
        """Statements by digest; absent ones are left out."""
        ...

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes | None]:
        """Documents that stand beside the log; ``None`` where one is gone or not readable."""
        ...


class MemoryEvidence:
    """A list of registered statements."""

    def __init__(
        self,
        statements: Iterable[Registered] = (),
        heads: tuple[Known, ...] | None = None,
        *,
        view: str = "public",
        quorum: int = 0,
        as_of: int | None = None,
    ) -> None:
        self.statements: list[Registered] = list(statements)
        self.view = view
        self.quorum = quorum
        self.as_of = as_of
        self._heads = heads

    def heads(self) -> tuple[Known, ...]:
        """As given, or the size of every log that occurs."""
        if self._heads is not None:
            return self._heads
        sizes: dict[str, int] = {}
        for item in self.statements:
            sizes[item.origin] = max(sizes.get(item.origin, 0), item.index + 1)
        return tuple(Known(origin=o, size=s, root="") for o, s in sorted(sizes.items()))

    def all(self) -> Iterator[Sequence[Registered]]:
        """Everything in one batch."""
        yield self.statements

    def by_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[Registered]]:
        """By a scan."""
        wanted = set(keys)
        found: dict[bytes, list[Registered]] = {key: [] for key in keys}
        for item in self.statements:
            for key in wanted.intersection(keys_of(item.statement)):
                found[key].append(item)
        return found

    def by_digests(self, digests: Sequence[Digest]) -> Mapping[Digest, Registered]:
        """By a scan."""
        wanted = set(digests)
        return {i.statement.digest: i for i in self.statements if i.statement.digest in wanted}

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes | None]:
        """None at hand."""
        return dict.fromkeys(digests)
