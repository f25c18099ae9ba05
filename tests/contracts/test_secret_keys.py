"""Lists of secret keys: whatever a key contains, the list has it in full or is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from contracts.secret_keys import KeyList, listed_keys

A, B = "a" * 32, "b" * 40
SETTING: TypeAdapter[SecretStr] = TypeAdapter(KeyList)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        (" , ", ()),
        (A, (A,)),
        (f"{A}, {B},", (A, B)),
        (f"{A},{A}", (A,)),
        (json.dumps([A, f"{B},{A} "]), (A, f"{B},{A} ")),
        ("[]", ()),
    ],
)
def test_keys_are_separated_by_commas_or_an_array(text: str, keys: tuple[str, ...]) -> None:
    assert listed_keys(text) == tuple(key.encode() for key in keys)
    assert SETTING.validate_python(text).get_secret_value() == text


@pytest.mark.parametrize("text", ["short", f"{A},short", f'["{A}', f'["{A}", 1]', '["short"]'])
def test_a_list_that_could_lack_a_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValidationError, match="JSON array") as raised:
        SETTING.validate_python(text)
    assert A not in str(raised.value.errors(include_input=False))


@given(st.lists(st.text(min_size=1), unique=True))
def test_an_array_holds_any_keys(keys: list[str]) -> None:
    assert listed_keys(json.dumps(keys)) == tuple(key.encode() for key in keys)
