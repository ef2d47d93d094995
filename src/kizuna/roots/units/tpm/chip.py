# SPDX-License-Identifier: Apache-2.0
"""Words with one TPM over ESAPI: connecting, loading, flushing, and what its refusals mean.

Keeps: 1. Never more than three transient objects: the storage root and two keys, the oldest gives
way. What a crashed program left in a chip without resource manager is flushed when we connect.
2. Every session is flushed, also on failure. 3. A transport that fails is ``unit.gone`` and the
next call connects anew; a chip that refuses is told by what it refuses.
Standard: TPM 2.0 Library, Parts 1 to 3; RC values of Part 2, 6.6.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import tpm2_pytss as tss

from kizuna.model.errors import Misconfigured, Problem, Refused
from kizuna.roots.units.problems import gone, registers_changed

__all__ = ["Chip", "Wrapped"]

Wrapped = tuple[bytes, bytes]
"""A key as the chip gave it out: its public area, and the private part that only it can open."""

_ATTR: Final = tss.TPMA_OBJECT
_MINE: Final = _ATTR.FIXEDTPM | _ATTR.FIXEDPARENT | _ATTR.SENSITIVEDATAORIGIN
_SIGNING: Final = "ecc256:ecdsa-sha256:null"
_TEMPLATES: Final = {
    "sign": (_SIGNING, _MINE | _ATTR.SIGN_ENCRYPT),
    "attest": (_SIGNING, _MINE | _ATTR.SIGN_ENCRYPT | _ATTR.RESTRICTED),
    "agree": ("ecc256:ecdh-sha256:null", _MINE | _ATTR.DECRYPT),
}
_ROOT: Final = ("ecc256:aes128cfb", _MINE | _ATTR.USERWITHAUTH | _ATTR.RESTRICTED | _ATTR.DECRYPT)
_LOADED: Final = 2
_BARE: Final = 0xBF
"""A format-one code without the number of the handle, session or parameter it is about."""
_LAYER: Final = 0xFF0000
_NOT_SENT: Final = (0x7000B, 0x8000B, 0x9000B)
"""What the library refused to pass on (TSS2_BASE_RC_BAD_VALUE of ESYS, SYS and MU)."""
_AT_ONCE: Final = 8
"""Registers that one TPM2_PCR_Read gives at most."""
_INITIALIZE: Final = 0x100
_LOCALITY: Final = 0x907
_POLICY: Final = 0x9D
_PCR_CHANGED: Final = 0x128
_AUTH: Final = (0x8E, 0xA2)
_LOCKOUT: Final = 0x921
_INTEGRITY: Final = 0x1DF


class Chip:
    """One connection to a TPM; used by one thread at a time.

    Args:
        tcti: how to reach it, as tpm2-tss writes it (``device:/dev/tpmrm0``,
            ``swtpm:host=127.0.0.1,port=2321``).
        auth: the value that opens the keys that this unit makes; may be empty.
    """

    def __init__(self, tcti: str, auth: bytes) -> None:
        self._auth = auth
        self._loaded: dict[bytes, Any] = {}
        try:
            self._api = tss.ESAPI(tcti)
        except tss.TSS2_Exception as fault:
            raise gone("tpm", f"no TPM answers at {tcti}: {fault}") from fault
        with self._words():
            try:
                self._clean()
            except tss.TSS2_Exception as fault:
                if fault.rc != _INITIALIZE:
                    raise
                self._api.startup(tss.TPM2_SU.CLEAR)
            self._root = self._primary()
            self.maker = self._maker()

    def close(self) -> None:
        """Flush what was loaded and let go."""
        with contextlib.suppress(tss.TSS2_Exception):
            for handle in (*self._loaded.values(), self._root):
                self._api.flush_context(handle)
        self._loaded.clear()
        with contextlib.suppress(tss.TSS2_Exception):
            self._api.close()

    # --- keys ---------------------------------------------------------------------------------

    def make(self, purpose: str, selection: Sequence[int] = ()) -> tuple[Wrapped, bytes]:
        """A key pair for one purpose, and its point (64 bytes).

        With a ``selection`` the key works only while these registers are as they are now, and no
        password opens it.
        """
        name, attributes = _TEMPLATES[purpose]
        policy = b""
        if selection:
            policy = self._policy(selection)
        else:
            attributes |= _ATTR.USERWITHAUTH
        with self._words():
            self._room()
            sensitive = tss.TPMS_SENSITIVE_CREATE(userAuth=b"" if selection else self._auth)
            private, public, *_ = self._api.create(
                self._root,
                tss.TPM2B_SENSITIVE_CREATE(sensitive),
                _public(name, attributes, policy),
            )
            point = public.publicArea.unique.ecc
            return (
                (public.marshal(), private.marshal()),
                _wide(bytes(point.x)) + _wide(bytes(point.y)),
            )

    def sign(self, key: Wrapped, digest: bytes, selection: Sequence[int] = ()) -> bytes:
        """The signature (r and s) over a SHA-256 digest."""
        with self._words(), self._session(selection) as session:
            made = self._api.sign(
                self._load(key, opened=not selection),
                digest,
                tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL),
                tss.TPMT_TK_HASHCHECK(tag=tss.TPM2_ST.HASHCHECK, hierarchy=tss.TPM2_RH.NULL),
                session1=session,
            )
            return _raw(made)

    def agree(self, key: Wrapped, point: bytes, selection: Sequence[int] = ()) -> bytes:
        """The x coordinate of the point shared with a peer (TPM2_ECDH_ZGen)."""
        with self._words(), self._session(selection) as session:
            peer = tss.TPM2B_ECC_POINT(tss.TPMS_ECC_POINT(x=point[:32], y=point[32:]))
            held = self._load(key, opened=not selection)
            shared = self._api.ecdh_zgen(held, peer, session1=session)
            return _wide(bytes(shared.point.x))

    def random(self, size: int) -> bytes:
        """Random bytes from the chip."""
        made = b""
        with self._words():
            while len(made) < size:
                made += bytes(self._api.get_random(min(32, size - len(made))))
        return made

    # --- registers ----------------------------------------------------------------------------

    def extend(self, register: int, digest: bytes) -> None:
        """Extend the SHA-256 bank's register."""
        value = tss.TPMT_HA(hashAlg=tss.TPM2_ALG.SHA256, digest=tss.TPMU_HA(sha256=digest))
        with self._words():
            self._api.pcr_extend(tss.ESYS_TR(register), tss.TPML_DIGEST_VALUES([value]))

    def read(self, selection: Sequence[int]) -> dict[int, bytes]:
        """The values of registers; eight a call, until none changed meanwhile."""
        values: dict[int, bytes] = {}
        with self._words():
            counts: set[int] = set()
            for _ in range(5):
                counts.clear()
                for at in range(0, len(selection), _AT_ONCE):
                    some = selection[at : at + _AT_ONCE]
                    count, _, digests = self._api.pcr_read(_chosen(some))
                    counts.add(count)
                    values.update(zip(some, map(bytes, digests), strict=True))
                if len(counts) == 1:
                    break
        return values

    def resets(self) -> int:
        """How often the chip was reset: registers begin anew with it."""
        with self._words():
            return int(self._api.read_clock().clockInfo.resetCount)

    def quote(
        self, key: Wrapped, nonce: bytes, selection: Sequence[int], bound: Sequence[int] = ()
    ) -> tuple[bytes, bytes]:
        """TPMS_ATTEST and signature over selected registers, by a key that may be bound to some."""
        with self._words(), self._session(bound) as session:
            held = self._load(key, opened=not bound)
            attest, signature = self._api.quote(held, _chosen(selection), nonce, session1=session)
            return bytes(attest), _raw(signature)

    def certify(
        self,
        key: Wrapped,
        subject: Wrapped,
        bound: Sequence[int] = (),
        subject_bound: Sequence[int] = (),
    ) -> tuple[bytes, bytes, bytes]:
        """TPMS_ATTEST, signature and the subject's TPMT_PUBLIC; either key may be bound."""
        with self._words(), self._session(bound) as session:
            about = self._load(subject, opened=not subject_bound)
            attest, signature = self._api.certify(
                about,
                self._load(key, opened=not bound),
                b"",
                tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL),
                session2=session,
            )
            return bytes(attest), _raw(signature), subject[0][2:]

    # --- sealing ------------------------------------------------------------------------------

    def seal(self, data: bytes, selection: Sequence[int]) -> Wrapped:
        """Data that the chip gives back while the registers are as they are now; without a
        selection, to whoever has this unit's auth value.
        """
        attributes = _ATTR.FIXEDTPM | _ATTR.FIXEDPARENT
        policy = b""
        if selection:
            policy = self._policy(selection)
        else:
            attributes |= _ATTR.USERWITHAUTH
        with self._words():
            self._room()
            sensitive = tss.TPMS_SENSITIVE_CREATE(
                userAuth=b"" if selection else self._auth, data=data
            )
            private, public, *_ = self._api.create(
                self._root,
                tss.TPM2B_SENSITIVE_CREATE(sensitive),
                _public("keyedhash", attributes, policy),
            )
            return public.marshal(), private.marshal()

    def unseal(self, box: Wrapped, selection: Sequence[int]) -> bytes:
        """What was sealed."""
        with self._words():
            handle = self._load(box, opened=not selection)
            try:
                with self._session(selection) as session:
                    return bytes(self._api.unseal(handle, session1=session))
            finally:
                self._drop(box)

    # --- inside -------------------------------------------------------------------------------

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except tss.TSS2_Exception as fault:
            raise _told(fault) from fault

    @contextmanager
    def _session(self, selection: Sequence[int]) -> Iterator[Any]:
        """The password, or for what is bound to registers a policy session."""
        if not selection:
            yield tss.ESYS_TR.PASSWORD
            return
        session = self._begin(tss.TPM2_SE.POLICY)
        try:
            self._api.policy_pcr(session, b"", _chosen(selection))
            yield session
        finally:
            self._flush(session)

    def _policy(self, selection: Sequence[int]) -> bytes:
        with self._words():
            session = self._begin(tss.TPM2_SE.TRIAL)
            try:
                self._api.policy_pcr(session, b"", _chosen(selection))
                return bytes(self._api.policy_get_digest(session))
            finally:
                self._flush(session)

    def _begin(self, kind: object) -> Any:  # noqa: ANN401 - a handle of an untyped library
        return self._api.start_auth_session(
            tpm_key=tss.ESYS_TR.NONE,
            bind=tss.ESYS_TR.NONE,
            session_type=kind,
            symmetric=tss.TPMT_SYM_DEF(algorithm=tss.TPM2_ALG.NULL),
            auth_hash=tss.TPM2_ALG.SHA256,
        )

    def _flush(self, handle: object) -> None:
        with contextlib.suppress(tss.TSS2_Exception):
            self._api.flush_context(handle)

    def _load(self, key: Wrapped, *, opened: bool = True) -> Any:  # noqa: ANN401
        public, private = key
        found = self._loaded.pop(public, None)
        if found is None:
            self._room()
            found = self._api.load(self._root, *_areas(public, private))
            if opened and self._auth:
                self._api.tr_set_auth(found, self._auth)
        self._loaded[public] = found
        return found

    def _room(self) -> None:
        """Make room for one more object: to make a key takes a slot for a moment, too."""
        while len(self._loaded) >= _LOADED:
            self._flush(self._loaded.pop(next(iter(self._loaded))))

    def _drop(self, key: Wrapped) -> None:
        found = self._loaded.pop(key[0], None)
        if found is not None:
            self._flush(found)

    def _clean(self) -> None:
        """Flush what a crashed program left in a chip that no resource manager stands before."""
        for first in (tss.TPM2_HC.TRANSIENT_FIRST, tss.TPM2_HC.LOADED_SESSION_FIRST):
            _, found = self._api.get_capability(tss.TPM2_CAP.HANDLES, first, 16)
            handles = found.data.handles
            for at in range(handles.count):
                with contextlib.suppress(tss.TSS2_Exception):
                    self._api.flush_context(self._api.tr_from_tpmpublic(int(handles[at])))

    def _primary(self) -> Any:  # noqa: ANN401
        handle, *_ = self._api.create_primary(
            tss.TPM2B_SENSITIVE_CREATE(), _public(*_ROOT, b""), tss.ESYS_TR.OWNER
        )
        return handle

    def _maker(self) -> str:
        _, found = self._api.get_capability(
            tss.TPM2_CAP.TPM_PROPERTIES, tss.TPM2_PT.MANUFACTURER, 5
        )
        said = found.data.tpmProperties
        raw = b"".join(int(said[at].value).to_bytes(4, "big") for at in range(said.count))
        return " ".join(bytes(c for c in raw if 32 <= c < 127).decode("ascii").split())


def _public(name: str, attributes: object, policy: bytes) -> Any:  # noqa: ANN401
    return tss.TPM2B_PUBLIC.parse(name, objectAttributes=attributes, authPolicy=policy)


def _chosen(selection: Sequence[int]) -> str:
    return "sha256:" + ",".join(map(str, selection))


def _areas(public: bytes, private: bytes) -> tuple[Any, Any]:
    """The two halves of a wrapped object. What no chip wrote is what a chip would refuse: the
    library's own complaint must not be taken for a chip that is gone.
    """
    try:
        area, _ = tss.TPM2B_PUBLIC.unmarshal(public)
        sensitive, _ = tss.TPM2B_PRIVATE.unmarshal(private)
        same = area.marshal() == public and sensitive.marshal() == private
    except (tss.TSS2_Exception, ValueError, TypeError) as fault:
        raise tss.TSS2_Exception(_INTEGRITY) from fault
    if not same:  # the library passes over a length that is not the area's own
        raise tss.TSS2_Exception(_INTEGRITY)
    return sensitive, area


def _wide(number: bytes) -> bytes:
    return number.rjust(32, b"\0")


def _raw(signature: Any) -> bytes:  # noqa: ANN401
    made = signature.signature.ecdsa
    return _wide(bytes(made.signatureR)) + _wide(bytes(made.signatureS))


def _told(fault: tss.TSS2_Exception) -> Problem:
    """What a response code means, in our words."""
    code = int(fault.rc)
    if code & _LAYER and code not in _NOT_SENT:  # transport, resource manager, library
        return gone("tpm", str(fault))
    if code & _BARE == _POLICY or code == _PCR_CHANGED:
        return registers_changed()
    if code == _LOCALITY:
        return Refused(
            "unit.register-locked",
            "this register cannot be extended from here",
            why="the chip keeps it for firmware (locality)",
            hint="use a register from 0 to 16, or 23",
        )
    if code & _BARE in _AUTH:
        return Misconfigured(
            "unit.pin-wrong",
            "the unit does not open with this PIN",
            hint="give the right PIN in KIZUNA_UNIT_PIN_FILE (units with PINs of their own: a "
            "folder with a file for each, called like the unit); too many wrong ones lock the unit",
        )
    if code == _LOCKOUT:
        return Misconfigured(
            "unit.locked",
            "the unit is locked after too many wrong tries",
            hint="wait until it opens again, or let its officer unlock it",
        )
    return Refused(
        "unit.chip-refused",
        f"the TPM refused: {fault}",
        hint="see that the key was made by this chip and that the chip was not cleared",
        fault=str(fault),
    )
