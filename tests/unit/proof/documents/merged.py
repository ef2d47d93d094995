# SPDX-License-Identifier: Apache-2.0
"""What the link statements of a document say together, seen from its root."""

from msgspec.structs import replace

from kizuna.model.kind import Kind
from kizuna.model.payload import Link, Links, decode_payload
from kizuna.proof.documents import Imported

AS_PART = ":as-part"


def statements_of(imported: Imported) -> list[tuple[str, Links]]:
    """Every link statement, each held to what all of them keep."""
    made: list[tuple[str, Links]] = []
    for draft in imported.statements:
        if draft.kind is Kind.LINK and draft.payload != imported.document:
            payload = decode_payload(draft.kind, draft.payload)
            assert isinstance(payload, Links)
            made.append((draft.subject, payload))
    assert len({(subject, said.part) for subject, said in made}) == len(made)
    for _, said in made:
        assert said.imported
        assert len(said.described) <= 1
        assert all(described.subject is None for described in said.described)
        assert all(depends_on_subject(link) for link in said.links)
        if is_inner(said):
            assert said.links or said.described or said.complete
    if made and imported.root is not None and not imported.format.startswith("in-toto"):
        assert made[0][0] == imported.root
    return made


def depends_on_subject(link: Link) -> bool:
    """True where the end that depends is the statement's own subject."""
    return (link.object if link.relation.object_depends else link.subject) is None


def is_inner(said: Links) -> bool:
    """True for a statement about something inside a bill."""
    return AS_PART in (said.part or "")


def bills_of(imported: Imported) -> dict[str, Links]:
    """The first statement of each whole, without what is said of parts."""
    made: dict[str, Links] = {}
    for subject, said in statements_of(imported):
        if not is_inner(said):
            made.setdefault(subject, said)
    return made


def links_of(imported: Imported, root: str | None = None) -> Links:
    """All link statements as one of the root: every tie and description with its ends."""
    statements = statements_of(imported)
    root = root or imported.root or statements[0][0]

    def end(name: str | None, subject: str) -> str | None:
        full = name or subject
        return None if full == root else full

    whole = [said for subject, said in statements if subject == root and not is_inner(said)]
    return replace(
        whole[0],
        links=[
            replace(link, subject=end(link.subject, subject), object=end(link.object, subject))
            for subject, said in statements
            for link in said.links
        ],
        described=[
            replace(described, subject=subject)
            for subject, said in statements
            for described in said.described
        ],
        complete=whole[-1].complete,
    )
