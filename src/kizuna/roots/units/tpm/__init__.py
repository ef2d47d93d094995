# SPDX-License-Identifier: Apache-2.0
"""The TPM 2.0 unit: keys that only one chip can use.

Keeps: what is protected by the chip and what is not stands apart: signing, agreement, registers,
quotes, certifications and sealing are the chip's; AES-GCM is not (a TPM has none), so its keys are
sealed by the chip and unsealed into this process for each use.
"""

from kizuna.roots.units.tpm.unit import TpmUnit

__all__ = ["TpmUnit"]
