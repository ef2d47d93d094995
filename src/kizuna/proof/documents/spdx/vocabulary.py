# SPDX-License-Identifier: Apache-2.0
"""The words of SPDX 2.2 and 2.3: members, algorithms, purposes, and relationships in the direction
of dependence.
"""

from __future__ import annotations

import re
from typing import Final

from kizuna.model.identifier import Element

__all__ = [
    "ALGORITHMS",
    "DERIVED",
    "DOCUMENT",
    "ELEMENT_ID",
    "FILE",
    "NOTHING",
    "ORIGIN",
    "PACKAGE",
    "PARTY",
    "PART_FIRST",
    "PURPOSES",
    "RELATIONSHIP",
    "WHOLE_FIRST",
]

ELEMENT_ID: Final = re.compile(r"SPDXRef-[A-Za-z0-9.+-]+")
ALGORITHMS: Final = frozenset(
    {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-384", "SHA3-512", "MD2",
     "MD4", "MD5", "MD6", "BLAKE2b-256", "BLAKE2b-384", "BLAKE2b-512", "BLAKE3", "ADLER32"}
)  # fmt: skip
NOTHING: Final = frozenset({"", "NOASSERTION", "NONE"})
PARTY: Final = re.compile(r"(Organization|Person|Tool):\s*(.*?)\s*(?:\(([^()]*)\))?\s*", re.DOTALL)

DOCUMENT: Final = frozenset(
    {"spdxVersion", "SPDXID", "name", "documentNamespace", "dataLicense", "creationInfo",
     "packages", "files", "snippets", "relationships", "documentDescribes", "annotations",
     "externalDocumentRefs", "hasExtractedLicensingInfos", "comment", "revieweds", "$schema"}
)  # fmt: skip
PACKAGE: Final = frozenset(
    {"SPDXID", "name", "versionInfo", "packageFileName", "supplier", "originator",
     "downloadLocation", "filesAnalyzed", "packageVerificationCode", "checksums", "homepage",
     "sourceInfo", "licenseConcluded", "licenseInfoFromFiles", "licenseDeclared",
     "licenseComments", "copyrightText", "summary", "description", "comment", "externalRefs",
     "attributionTexts", "annotations", "primaryPackagePurpose", "releaseDate", "builtDate",
     "validUntilDate", "hasFiles"}
)  # fmt: skip
FILE: Final = frozenset(
    {"SPDXID", "fileName", "fileTypes", "checksums", "licenseConcluded", "licenseInfoInFiles",
     "licenseComments", "copyrightText", "comment", "noticeText", "fileContributors",
     "attributionTexts", "annotations", "fileDependencies", "artifactOfs"}
)  # fmt: skip
RELATIONSHIP: Final = frozenset(
    {"spdxElementId", "relatedSpdxElement", "relationshipType", "comment"}
)

PURPOSES: Final = {
    "FIRMWARE": Element.DATA,
    "FILE": Element.DATA,
    "ARCHIVE": Element.DATA,
    "SOURCE": Element.DATA,
}
# What depends on what: "whole" needs "part". The second word is the category of the tie.
WHOLE_FIRST: Final[dict[str, str | None]] = {
    "CONTAINS": None,
    "DEPENDS_ON": None,
    "STATIC_LINK": None,
    "DYNAMIC_LINK": None,
    "HAS_PREREQUISITE": None,
    "DISTRIBUTION_ARTIFACT": None,
}
PART_FIRST: Final[dict[str, str | None]] = {
    "CONTAINED_BY": None,
    "DEPENDENCY_OF": None,
    "RUNTIME_DEPENDENCY_OF": None,
    "PREREQUISITE_FOR": None,
    "DEPENDENCY_MANIFEST_OF": "optional",
    "PROVIDED_DEPENDENCY_OF": "optional",
    "OPTIONAL_DEPENDENCY_OF": "optional",
    "OPTIONAL_COMPONENT_OF": "optional",
    "BUILD_DEPENDENCY_OF": "excluded",
    "DEV_DEPENDENCY_OF": "excluded",
    "TEST_DEPENDENCY_OF": "excluded",
    "BUILD_TOOL_OF": "excluded",
    "DEV_TOOL_OF": "excluded",
    "TEST_TOOL_OF": "excluded",
    "TEST_CASE_OF": "excluded",
    "TEST_OF": "excluded",
    "EXAMPLE_OF": "excluded",
    "DOCUMENTATION_OF": "excluded",
    "DATA_FILE_OF": None,
    "METAFILE_OF": "excluded",
    "PACKAGE_OF": None,
}
DERIVED: Final = frozenset(
    {"GENERATED_FROM", "DESCENDANT_OF", "COPY_OF", "EXPANDED_FROM_ARCHIVE", "VARIANT_OF",
     "FILE_MODIFIED"}
)  # fmt: skip
ORIGIN: Final = frozenset({"GENERATES", "ANCESTOR_OF", "PATCH_FOR", "PATCH_APPLIED"})
