# SPDX-License-Identifier: Apache-2.0
"""A chip proves that a key lives in it, with the endorsement key that its maker certified.

Keeps: 1. The endorsement key is made anew from the maker's template and lives in the chip only for
the call. 2. Opening a credential needs both keys in one chip: that is the proof. 3. Where the chip
holds no endorsement certificate, this says so and offers nothing in its place.
Standard: TCG EK Credential Profile (templates L-1 and H-3, certificates in NV); TPM 2.0 Library,
TPM2_ActivateCredential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import tpm2_pytss as tss
from tpm2_pytss.utils import NVReadEK, create_ek_template

from kizuna.model.errors import Refused
from kizuna.roots.units.tpm.chip import Chip, Wrapped

__all__ = ["Endorsed", "EndorsingChip"]

_TEMPLATE: Final = "EK-RSA2048"
_ABSENT: Final = (0x18B, 0x28B)
"""TPM_RC_HANDLE of the first parameter: nothing stands at this place in NV."""
_LAYER: Final = 0xFF0000
_FORMAT_ONE: Final = 0x80
_BARE: Final = 0xBF
_AUTH: Final = (0x8E, 0xA2)


@dataclass(frozen=True, slots=True)
class Endorsed:
    """What a chip says of itself; nothing of it is proven yet."""

    certificate: bytes
    """DER, as the maker put it into the chip."""
    endorsement: bytes
    """TPM2B_PUBLIC of the endorsement key."""


class EndorsingChip(Chip):
    """A chip that shows its endorsement and opens credentials."""

    def endorsed(self) -> Endorsed:
        """Certificate and public area of the endorsement key.

        Raises:
            Refused: ``unit.no-endorsement``.
        """
        with self._words():
            certificate, template = self._template()
            handle, public = self._endorsement(template)
            self._flush(handle)
        return Endorsed(certificate, public)

    def activate(self, key: Wrapped, credential: bytes, encrypted: bytes) -> bytes:
        """The secret of a credential that was made for this chip and this key.

        Raises:
            Refused: ``unit.credential`` where it was made for another chip or key.
        """
        blob, _ = tss.TPM2B_ID_OBJECT.unmarshal(credential)
        seed, _ = tss.TPM2B_ENCRYPTED_SECRET.unmarshal(encrypted)
        with self._words():
            _, template = self._template()
            handle, _ = self._endorsement(template)
            session = self._begin(tss.TPM2_SE.POLICY)
            try:
                self._api.policy_secret(tss.ESYS_TR.ENDORSEMENT, session)
                return bytes(
                    self._api.activate_credential(
                        self._load(key),
                        handle,
                        blob,
                        seed,
                        session1=tss.ESYS_TR.PASSWORD,
                        session2=session,
                    )
                )
            except tss.TSS2_Exception as fault:
                if not _is_about_what_was_given(int(fault.rc)):
                    raise
                raise Refused(
                    "unit.credential",
                    "this chip does not open the credential",
                    why="it was made for another chip, or for a key that is not in this one",
                    hint="ask for a new challenge with what `kizuna device endorse` writes here",
                ) from fault
            finally:
                self._flush(session)
                self._flush(handle)

    def _template(self) -> tuple[bytes, Any]:
        try:
            certificate, template = create_ek_template(_TEMPLATE, NVReadEK(self._api))
        except Exception as fault:  # the library has a kind of its own for each thing missing
            if isinstance(fault, tss.TSS2_Exception) and int(fault.rc) not in _ABSENT:
                raise
            raise _no_certificate(str(fault)) from fault
        if certificate is None:
            raise _no_certificate("")
        return bytes(certificate), template

    def _endorsement(self, template: object) -> tuple[Any, bytes]:
        self._room()
        handle, public, *_ = self._api.create_primary(
            tss.TPM2B_SENSITIVE_CREATE(), template, tss.ESYS_TR.ENDORSEMENT
        )
        return handle, public.marshal()


def _no_certificate(why: str) -> Refused:
    return Refused(
        "unit.no-endorsement",
        "the chip holds no certificate of its endorsement key",
        why=why[:200] or "its maker put none into it",
        hint="ask its maker for the certificate (a software TPM gets one from `swtpm_setup "
        "--create-ek-cert`), or enrol the key without it",
    )


def _is_about_what_was_given(code: int) -> bool:
    """Whether the chip itself refused one of the things given to it, and not its password."""
    return not code & _LAYER and bool(code & _FORMAT_ONE) and code & _BARE not in _AUTH
