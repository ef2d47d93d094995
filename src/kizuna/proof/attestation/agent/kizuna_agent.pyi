# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Sequence

PROFILE: str
CHUNK: int

def encode(value: object) -> bytes: ...
def hmac(secret: bytes, message: bytes) -> bytes: ...

class Region:
    name: str
    size: int
    period: int
    read: Callable[[int, int], bytes]
    due: int | None
    digest: bytes | None
    def __init__(
        self, name: str, size: int, period: int, read: Callable[[int, int], bytes]
    ) -> None: ...

class Agent:
    identity: bytes
    boot: int
    sequence: int
    budget: int
    regions: list[Region]
    news: bool
    def __init__(
        self,
        identity: bytes,
        boot: int,
        secret: bytes | None = None,
        sign: Callable[[bytes], bytes] | None = None,
        budget: int = 100,
    ) -> None: ...
    def add(self, name: str, size: int, period: int, read: Callable[[int, int], bytes]) -> None: ...
    def step(self, now: int, clock: Callable[[], int]) -> int: ...
    def measure_all(self) -> None: ...
    def complete(self) -> bool: ...
    def token(
        self,
        nonce: bytes | None = None,
        epoch: int | None = None,
        model: str | None = None,
        uptime: int | None = None,
    ) -> bytes: ...

def reader(path: str) -> Callable[[int, int], bytes]: ...
def main(arguments: Sequence[str]) -> int: ...
