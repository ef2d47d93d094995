# SPDX-License-Identifier: Apache-2.0
"""The workspace: the one facade that commands, HTTP and console call.

Keeps: 1. ``init`` refuses to overwrite. 2. Two doors that ask the same question of the same store
get the same answer: nothing is judged outside this class. 3. A one-shot process judges by closure
(it reads only what the question needs); after ``live()`` the same calls read the graph in memory.
4. Every read takes a ``view``: what it may not show looks absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.settings import Clock, Settings
from kizuna.app.wiring.values import Change, ImportOutcome, Progress, Standing, WrittenBundle, quiet
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known, Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.keys import Keys
    from kizuna.app.wiring.live import Live
    from kizuna.app.wiring.trust_lists import TrustLists
    from kizuna.criteria.profiles import Profile
    from kizuna.record.log import EvidenceLog
    from kizuna.record.store import Accepted, Refusal, Store, View
    from kizuna.roots.units import Handle, Unit

__all__ = ["Workspace"]


class Workspace:
    """One opened store with its organisation. Use as a context manager, or ``close`` it."""

    settings: Settings
    path: Path
    name: str
    """The organisation's name."""
    identity: SubjectId
    """The organisation's DID."""
    list_id: SubjectId
    """The store's own trust list."""
    unit: Unit
    handle: Handle
    """The key that signs in the organisation's name now."""
    log: EvidenceLog
    store: Store
    clock: Clock

    # --- life ---------------------------------------------------------------------------------

    @classmethod
    def init(
        cls,
        path: str | Path,
        name: str,
        *,
        now: int,
        database: str | None = None,
        origin: str | None = None,
        policy: str = "members",
        settings: Settings | None = None,
    ) -> Workspace:
        """Make a store with its log and one organisation identity. Raises Refused store.exists."""
        raise NotImplementedError

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        database: str | None = None,
        settings: Settings | None = None,
        read_only: bool = False,
    ) -> Workspace:
        """Open a store. Raises Misconfigured store.absent where there is none."""
        raise NotImplementedError

    def close(self) -> None:
        """Release files and locks."""

    # --- saying -------------------------------------------------------------------------------

    def sign(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> bytes:
        """One signed statement in the organisation's name (COSE_Sign1 bytes)."""
        raise NotImplementedError

    def register(
        self,
        statements: Sequence[bytes],
        documents: Mapping[Digest, bytes] | None = None,
        *,
        progress: Progress = quiet,
    ) -> list[Accepted | Refusal]:
        """Submit signed statements; one bad statement refuses itself, not the batch."""
        raise NotImplementedError

    def import_files(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Documents in, registered statements out, in the name of the organisation."""
        raise NotImplementedError

    # --- judging ------------------------------------------------------------------------------

    def anchors(self, lists: Sequence[str] | None = None) -> Anchors:
        """Whom this store's verifier believes (trust.json); ``lists``: only these, by name."""
        raise NotImplementedError

    def set_anchors(self, anchors: Anchors) -> None:
        """Replace trust.json."""
        raise NotImplementedError

    def profile(self, name_or_path: str) -> Profile:
        """A shipped profile by name, a registered one by name, or a YAML/JSON file."""
        raise NotImplementedError

    def profiles(self) -> list[Profile]:
        """Every profile that can be named: shipped and registered."""
        raise NotImplementedError

    def verify(
        self,
        subject: SubjectId,
        profile: Profile,
        *,
        at: int | None = None,
        known: Sequence[Known] | None = None,
        lists: Sequence[str] | None = None,
        view: View | None = None,
    ) -> Verdict:
        """Judge the chain of ``subject``; ``view`` None is the store's own operator."""
        raise NotImplementedError

    def explain(
        self,
        subject: SubjectId,
        profile: Profile,
        *,
        at: int | None = None,
        known: Sequence[Known] | None = None,
        lists: Sequence[str] | None = None,
        view: View | None = None,
    ) -> dict[str, Any]:
        """The tree of reasons, plain values (see kizuna.chain.verify)."""
        raise NotImplementedError

    def impact(
        self,
        subject_or_digest: str,
        *,
        profile: Profile | None = None,
        view: View | None = None,
    ) -> list[dict[str, Any]]:
        """Whose standing depends on it."""
        raise NotImplementedError

    def export_bundle(
        self, subject: SubjectId, profile: Profile, *, view: View | None = None
    ) -> WrittenBundle:
        """Everything needed to judge again offline."""
        raise NotImplementedError

    def watch(
        self, subject: SubjectId, profile: Profile, lists: Sequence[str] | None = None
    ) -> None:
        """Keep this verdict true: it shows in the portfolio and in the stream of changes."""
        raise NotImplementedError

    def portfolio(self, *, view: View | None = None) -> list[Standing]:
        """Every watched subject and how it stands now."""
        raise NotImplementedError

    # --- living -------------------------------------------------------------------------------

    def live(self, *, progress: Progress = quiet) -> Live:
        """Load the graph once and keep it true; later calls answer from memory."""
        raise NotImplementedError

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` at every change of a watched verdict; returns the way to stop it."""
        raise NotImplementedError

    # --- nouns --------------------------------------------------------------------------------

    @property
    def lists(self) -> TrustLists:
        """Trust lists: create, add, suspend, withdraw, show, history, accept."""
        raise NotImplementedError

    @property
    def keys(self) -> Keys:
        """Keys of the organisation: states, rotate, revoke, compromise."""
        raise NotImplementedError

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
