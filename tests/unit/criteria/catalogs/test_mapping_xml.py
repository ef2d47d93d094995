# SPDX-License-Identifier: Apache-2.0
"""OSCAL mapping collections in XML say the same as in JSON; what cannot be read is refused."""

from xml.sax.saxutils import escape, quoteattr

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import Confidence, Kinship, read_oscal_mappings, write_oscal_mapping
from kizuna.criteria.catalogs.shipped import shipped_catalog, shipped_mapping
from kizuna.model.errors import Malformed

KNOWN = ("left", "right")
XML = """<?xml version="1.0" encoding="UTF-8"?>
<mapping-collection xmlns="http://csrc.nist.gov/ns/oscal/1.0"
    uuid="11111111-2222-4000-8000-000000000000">
  <metadata><title>Left to right</title><last-modified>2026-01-01T00:00:00Z</last-modified>
    <version>3</version><oscal-version>1.2.1</oscal-version></metadata>
  <provenance method="human" matching-rationale="semantic" status="draft">
    <mapping-description><p>Our own <em>reading</em>.</p></mapping-description></provenance>
  <mapping uuid="11111111-2222-4000-8000-000000000001">
    <source-resource type="catalog" href="left.xml"/>
    <target-resource type="catalog" href="#11111111-2222-4000-8000-000000000009"/>
    <map uuid="11111111-2222-4000-8000-000000000002">
      <relationship>equivalent-to</relationship>
      <source type="control" id-ref="L-1"/><target type="control" id-ref="R.1"/>
      <confidence-score><percentage>0.9</percentage></confidence-score>
      <remarks><p>as it stands</p></remarks>
    </map>
    <map uuid="11111111-2222-4000-8000-000000000003">
      <relationship>subset-of</relationship>
      <source type="control" id-ref="L-2"/><source type="control" id-ref="L-3"/>
      <target type="control" id-ref="R.2"/>
      <confidence-score category="medium"/>
    </map>
  </mapping>
  <back-matter><resource uuid="11111111-2222-4000-8000-000000000009"><title>Right</title>
    <rlink href="catalogs/right.json"/></resource></back-matter>
</mapping-collection>
"""


def read(text):
    return list(read_oscal_mappings(text.encode(), KNOWN))


def test_a_collection_is_read():
    (found,) = read(XML)
    assert (found.origin, found.goal, found.version) == ("left", "right", "3")
    assert found.source == "Our own reading."
    one, two = found.ties
    assert (one.relation, one.confidence, one.note) == (
        Kinship.EQUIVALENT,
        Confidence.HIGH,
        "as it stands",
    )
    assert (two.relation, two.sources, two.confidence) == (
        Kinship.SUBSET,
        ("L-2", "L-3"),
        Confidence.MEDIUM,
    )
    assert found.accepted == 0


def in_xml(node, name):
    """A JSON shape of ours written as XML, every word as an attribute or an element."""
    plural = {"mappings": "mapping", "maps": "map", "sources": "source", "targets": "target",
              "props": "prop", "resources": "resource", "rlinks": "rlink"}  # fmt: skip
    flags = {"uuid", "href", "type", "id-ref", "name", "ns", "value", "method", "status"}
    attributes = "".join(
        f" {k}={quoteattr(v)}" for k, v in node.items() if k in flags and isinstance(v, str)
    )
    inner = ""
    for key, value in node.items():
        if key in flags and isinstance(value, str):
            continue
        if isinstance(value, str):
            inner += f"<{key}>{escape(value)}</{key}>"
        elif isinstance(value, dict):
            inner += in_xml(value, key)
        elif key in plural:
            inner += "".join(in_xml(one, plural[key]) for one in value)
    return f"<{name}{attributes}>{inner}</{name}>"


def test_what_is_written_in_json_reads_the_same_in_xml():
    origin, goal = shipped_catalog("cpsf-1.0"), shipped_catalog("eu-cra-annex-i")
    mapping = shipped_mapping("cpsf-1.0-to-csf-2.0")
    ties = tuple(msgspec.structs.replace(t, targets=("CRA-I-I-1",)) for t in mapping.ties)
    mapping = msgspec.structs.replace(mapping, goal=goal.id, ties=ties)
    made = write_oscal_mapping(mapping, origin, goal, now=1_760_000_000)
    known = (origin.id, goal.id)
    (json_read,) = read_oscal_mappings(msgspec.json.encode(made), known)
    text = in_xml(made["mapping-collection"], "mapping-collection").replace(
        "<mapping-collection", '<mapping-collection xmlns="http://csrc.nist.gov/ns/oscal/1.0"', 1
    )
    (xml_read,) = read_oscal_mappings(text.encode(), known)
    assert xml_read == json_read


@pytest.mark.parametrize(
    "text",
    [
        "<mapping-collection/>",
        XML.replace("mapping-collection", "catalog"),
        XML.replace("left.xml", "elsewhere.xml"),
        XML.replace("equivalent-to", "related-to"),
        XML.replace("0.9", "much"),
        XML.replace("0.9", "nan"),
        XML.replace("0.9", "101"),
        XML.replace('id-ref="L-1"', ""),
        XML.replace("<?xml", '<!DOCTYPE x [<!ENTITY a "b">]><?xml'),
        XML[:400],
    ],
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(Malformed):
        read(text)


@given(st.binary(max_size=400), st.integers(0, len(XML)))
def test_any_bytes_are_read_or_refused(more, place):
    data = XML.encode()
    for candidate in (b"<" + more, data[:place] + more + data[place:]):
        try:
            for found in read_oscal_mappings(candidate, KNOWN):
                assert found.accepted == 0
        except Malformed:
            continue
