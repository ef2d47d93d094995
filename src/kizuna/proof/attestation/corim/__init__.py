# SPDX-License-Identifier: Apache-2.0
"""CoRIM: reference values and keys of devices, as their makers publish them.

Keeps: 1. The signature is checked before the content is looked at; without a signature of a key the
verifier gave, nothing is accepted unless it was asked for in so many words, and then the values say
that they are unsigned. 2. What is not understood is listed, never guessed. 3. What is written here
is read back the same.
Standard: draft-ietf-rats-corim-10 (CoRIM tags 501 and, signed, 18; CoMID tag 506).
"""

from kizuna.proof.attestation.corim.opening import open_corim
from kizuna.proof.attestation.corim.reading import Corim, read_comid, read_corim
from kizuna.proof.attestation.corim.writing import make_corim, sign_corim

__all__ = ["Corim", "make_corim", "open_corim", "read_comid", "read_corim", "sign_corim"]
