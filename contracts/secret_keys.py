"""Read the secret keys that a newer key has replaced, in the form in which settings list them."""

import json
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

MIN_KEY_CHARACTERS: Final = 32
_LISTED: Final = (
    "has to list complete keys of at least 32 characters, separated by commas; if a key contains a "
    "comma, or a space at an end, write all of them as a JSON array of strings"
)


def listed_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of a list: separated by commas, or a JSON array of strings.

    Raises:
        ValueError: the text begins as an array and is none; the error quotes no part of it.
    """
    keys = _array(text) if text.lstrip().startswith("[") else map(str.strip, text.split(","))
    return tuple(dict.fromkeys(key.encode() for key in keys if key))


def _array(text: str) -> list[str]:
    try:
        keys = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(_LISTED) from None
    if not all(isinstance(key, str) for key in keys):
        raise ValueError(_LISTED)
    return list(keys)


def _check(listed: SecretStr) -> SecretStr:
    if any(
        len(key.decode()) < MIN_KEY_CHARACTERS for key in listed_keys(listed.get_secret_value())
    ):
        raise ValueError(_LISTED)
    return listed


KeyList = Annotated[SecretStr, AfterValidator(_check)]
"""A setting that lists keys; a part of a key, split at a comma, is refused."""
