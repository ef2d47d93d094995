# SPDX-License-Identifier: Apache-2.0
"""An association that runs a list, a buyer that follows it, and a body that is on it."""

from dataclasses import dataclass, field

import pytest

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.lists.foreign import ForeignLists, Signer
from kizuna.app.wiring.lists.publishing import Publishing
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles.reader import from_document
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Level, encode_payload
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
DAY = 86_400
FAN = SubjectId("pkg:generic/aki/fan@1")


@dataclass
class Party:
    """Somebody with a key of their own."""

    unit: EphemeralUnit = field(default_factory=EphemeralUnit)

    def __post_init__(self) -> None:
        self.handle = self.unit.generate(Algorithm.ES256, "party")
        self.key = self.unit.public(self.handle)
        self.identity = did_key(self.key)

    def says(self, subject, payload, kind, at):
        return sign_statement(
            self.unit,
            self.handle,
            issuer=self.identity,
            subject=SubjectId(subject),
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            issued_at=at,
        )

    def certifies(self, subject, at, name="iso-27001"):
        return self.says(subject, Claim(type=name, level=Level.THIRD), Kind.CERTIFICATE, at)


class Stage:
    """Both stores under one clock."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.clock = SetClock(NOW)
        self.association = self._store("association", "Association")
        self.buyer = self._store("buyer", "Buyer")
        self.body = Party()
        self.association.lists.create("bodies", title="Bodies")
        self.enter(self.body)

    def _store(self, name, title):
        settings = Settings(store=self.folder / name, clock=self.clock)
        return Workspace.init(settings.store, title, now=NOW, settings=settings, policy="open")

    def close(self):
        self.association.close()
        self.buyer.close()

    def later(self, seconds=DAY):
        self.clock.now += seconds

    def enter(self, party, name="Body"):
        return self.association.lists.add(
            party.identity, roles=["certification-body"], name=name, list_name="bodies"
        )

    def issue(self, **options):
        """The newest issue, as a file."""
        data, told = Publishing(self.association, self.association.lists).publish(
            "bodies", territory="JP", **options
        )
        file = self.folder / f"issue-{told['sequence']}"
        file.write_bytes(data)
        return str(file)

    @property
    def signer(self):
        return Signer.of([self.association.unit.public(self.association.handle)], [])

    @property
    def mapping(self):
        kind = f"{self.association.lists.anchor('bodies').id}#certification-body"
        return f'types:\n  "{kind}": {{role: certification-body}}\n'.encode()

    @property
    def foreign(self):
        return ForeignLists(self.buyer, self.buyer.lists)

    def take(self, file, *, name="bodies-jp", first=False, **more):
        if first:
            more = {"signer": self.signer, "mapping": self.mapping, **more}
        return self.foreign.take(file, read, name=name, **more)

    def judge(self, name="iso-27001"):
        profile = from_document(
            {
                "profile": "certified",
                "version": "1",
                "title": {"en": "Certified"},
                "requirements": [
                    {
                        "id": "certified",
                        "title": {"en": "Certified"},
                        "for": "component",
                        "kind": "certificate",
                        "claim": name,
                        "from": ["certification-body"],
                    }
                ],
            }
        )
        return self.buyer.verify(Question(FAN, profile, lists=["bodies-jp"]))

    def submit(self, statement):
        """Register, in the buyer's store, what somebody else said."""
        return self.buyer.register_one(statement)


def read(address):
    """A file's bytes."""
    with open(address, "rb") as file:  # noqa: PTH123 - as an address is read
        return file.read()


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.close()
