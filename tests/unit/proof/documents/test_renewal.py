# SPDX-License-Identifier: Apache-2.0
import json

from kizuna.model.kind import Kind
from kizuna.model.payload import Links, decode_payload
from kizuna.proof.documents import Imported, left_over, read


def bill(count: int) -> Imported:
    components = [
        {
            "type": "library",
            "name": f"part-{number}",
            "purl": f"pkg:generic/part-{number}-{'x' * 300}@1",
            "hashes": [{"alg": "SHA-512", "content": "ab" * 64}],
        }
        for number in range(count)
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "device", "name": "u", "purl": "pkg:generic/u@1"}},
        "components": components,
    }
    return read(json.dumps(document).encode())


def pages(imported: Imported) -> list[tuple[str, str]]:
    return [
        (draft.subject, decode_payload(draft.kind, draft.payload).part)  # type: ignore[union-attr]
        for draft in imported.statements
        if draft.kind is Kind.LINK and draft.subject == imported.root
    ]


def test_pages_that_the_new_version_lacks_are_emptied():
    former, new = pages(bill(6_000)), bill(10)
    assert len(former) == 3
    elsewhere = [("pkg:generic/other@1", "cyclonedx:2"), (former[0][0], "spdx:2")]
    drafts = left_over(new, [*former, *elsewhere])  # type: ignore[list-item]
    assert [draft.subject for draft in drafts] == ["pkg:generic/u@1"] * 2
    assert [decode_payload(draft.kind, draft.payload) for draft in drafts] == [
        Links(part="cyclonedx:2", imported=True),
        Links(part="cyclonedx:3", imported=True),
    ]


def test_nothing_is_left_over_where_the_new_version_has_every_page():
    large = bill(6_000)
    assert left_over(large, pages(bill(10))) == ()  # type: ignore[arg-type]
    assert left_over(large, pages(large)) == ()  # type: ignore[arg-type]
