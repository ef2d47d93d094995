# SPDX-License-Identifier: Apache-2.0
"""Bills of materials of one importer that differ about the parts of a part."""

import json
from typing import Any

import pytest

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Explained
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Link, Links
from kizuna.model.relation import Relation
from kizuna.record.log.keys import subject_key
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def workspace(tmp_path, clock):
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        yield made


def name(part: str) -> SubjectId:
    return canonical(f"pkg:generic/{part}@1")


def component(part: str) -> dict[str, Any]:
    purl = f"pkg:generic/{part}@1"
    return {"type": "library", "bom-ref": part, "name": part, "version": "1", "purl": purl}


def bom(root: str, **below: list[str]) -> bytes:
    """A bill: of the product and of each part its own parts."""
    parts = sorted({p for named in below.values() for p in named} | set(below) - {root})
    serial = "urn:uuid:3e671687-395b-41f5-a30f-" + root.encode().hex()[:12].ljust(12, "0")
    return json.dumps(
        {
            "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "serialNumber": serial,
            "metadata": {"component": component(root)},
            "components": [component(p) for p in parts],
            "dependencies": [{"ref": r, "dependsOn": named} for r, named in below.items()],
        }
    ).encode()  # fmt: skip


def bring(workspace: Workspace, clock: SetClock, *documents: bytes) -> Any:  # noqa: ANN401
    clock.now += 60
    return workspace.import_files([(f"{n}.json", data) for n, data in enumerate(documents)])


def said_of(workspace: Workspace, part: str) -> list[tuple[str | None, list[str]]]:
    """Every word about a part inside bills, in order: the bill (None: at large), and the parts."""
    key = subject_key(name(part))
    return [
        (row.statement.payload.bill, sorted(link.subject for link in row.statement.payload.links))
        for row in workspace.store.reader().by_keys([key]).get(key, ())
        if isinstance(row.statement.payload, Links) and ":as-part" in row.statement.payload.part
    ]


def explained(workspace: Workspace, product: str) -> Explained:
    profile = workspace.profile("software-product")
    answer = workspace.explain(Question(name(product), profile))
    assert workspace.verify(Question(name(product), profile)) == answer.verdict
    return answer


def chain(workspace: Workspace, product: str) -> set[str]:
    """Everything that the explanation of a product's verdict shows."""
    waiting, found = [explained(workspace, product).tree], set()
    while waiting:
        node = waiting.pop()
        found.add(node["subject"])
        waiting += node["children"]
    return found


def differ(workspace: Workspace, product: str) -> list[dict[str, str]]:
    findings = explained(workspace, product).verdict.findings
    return [dict(f.about) for f in findings if f.code.value == "bill.contradicted"]


LIB = {"unit": ["lib"], "lib": ["old"]}
OTHER = {"other": ["lib"], "lib": ["new"]}


@pytest.mark.parametrize("together", [False, True])
def test_each_product_follows_its_own_bill(workspace, clock, together):
    one, other = bom("unit", **LIB), bom("other", **OTHER)
    if together:
        bring(workspace, clock, one, other)
    else:
        bring(workspace, clock, one)
        bring(workspace, clock, other)
    assert said_of(workspace, "lib") == [(None, [name("old")]), (name("other"), [name("new")])]
    assert name("new") not in chain(workspace, "unit")
    assert name("old") not in chain(workspace, "other")
    assert [f["others"] for f in differ(workspace, "unit")] == [name("other")]
    assert [f["others"] for f in differ(workspace, "other")] == [name("unit")]


def test_a_bill_that_stands_alone_is_renewed_at_large(workspace, clock):
    bring(workspace, clock, bom("unit", **LIB))
    bring(workspace, clock, bom("unit", **LIB | {"lib": ["new"]}))
    assert said_of(workspace, "lib") == [(None, [name("old")]), (None, [name("new")])]
    assert name("old") not in chain(workspace, "unit")
    assert not differ(workspace, "unit")


def test_a_bill_on_whose_word_another_stands_is_renewed_for_itself(workspace, clock):
    bring(workspace, clock, bom("unit", **LIB))
    bring(workspace, clock, bom("other", other=["lib"], lib=["old"]))
    assert said_of(workspace, "lib") == [(None, [name("old")])]
    bring(workspace, clock, bom("unit", **LIB | {"lib": ["new"]}))
    assert said_of(workspace, "lib")[1:] == [(name("unit"), [name("new")])]
    assert name("new") not in chain(workspace, "other")
    assert name("old") not in chain(workspace, "unit")


def test_what_stands_above_a_difference_is_said_in_the_bill_too(workspace, clock):
    bring(workspace, clock, bom("unit", unit=["app"], app=["lib"], lib=["old"]))
    bring(workspace, clock, bom("other", other=["app"], app=["lib"], lib=["new"]))
    assert said_of(workspace, "app") == [(None, [name("lib")]), (name("other"), [name("lib")])]
    assert name("old") not in chain(workspace, "other")
    assert {f["others"] for f in differ(workspace, "other")} == {name("unit")}


def test_importing_again_says_nothing_new(workspace, clock):
    documents = bom("unit", **LIB), bom("other", **OTHER)
    bring(workspace, clock, *documents)
    size = workspace.head().size
    bring(workspace, clock, *documents)
    for document in documents:
        bring(workspace, clock, document)
    assert workspace.head().size == size


def test_what_a_bill_no_longer_holds_it_says_nothing_of(workspace, clock):
    bring(workspace, clock, bom("unit", **LIB))
    bring(workspace, clock, bom("other", **OTHER))
    bring(workspace, clock, bom("other", other=["new"]))
    assert said_of(workspace, "lib")[-1] == (name("other"), [])
    assert not differ(workspace, "unit")


def test_words_from_before_bills_were_told_apart_are_heard_and_renewed(workspace, clock):
    old = Links(
        links=[Link(relation=Relation.PART_OF, subject=name("old"))],
        part="cyclonedx:as-part", imported=True,
    )  # fmt: skip
    whole = Links(
        links=[Link(relation=Relation.PART_OF, subject=name("lib"))], part="cyclonedx",
        imported=True,
    )  # fmt: skip
    workspace.register(
        [
            workspace.sign(Kind.LINK, name("lib"), old),
            workspace.sign(Kind.LINK, name("other"), whole),
        ],
        {},
    )
    bring(workspace, clock, bom("unit", unit=["lib"], lib=["new"]))
    assert said_of(workspace, "lib")[1:] == [(name("unit"), [name("new")])]
    assert name("new") not in chain(workspace, "other")
    bring(workspace, clock, bom("other", other=["lib"], lib=["newer"]))
    assert said_of(workspace, "lib")[2:] == [(None, [name("newer")])]
