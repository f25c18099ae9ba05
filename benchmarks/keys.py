"""Hold the secret keys of benchmarks, which open nothing elsewhere."""

from typing import Final

from pydantic import SecretStr

REFERRALS_KEY: Final = SecretStr("a-key-of-benchmarks-that-is-long-enough")
INVITES_KEY: Final = SecretStr("another-key-of-benchmarks-that-is-long-enough")
