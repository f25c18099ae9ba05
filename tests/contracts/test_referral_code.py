import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.referral_code import ALPHABET, from_entropy, normalise, shown

codes = st.binary(min_size=6, max_size=6).map(from_entropy)


@given(codes)
def test_a_code_is_read_as_people_type_it(code: str) -> None:
    assert normalise(code) == code
    assert normalise(shown(code)) == code
    assert normalise(f"  {shown(code).lower()} ") == code
    assert normalise(code.replace("0", "o").replace("1", "l")) == code


@given(codes, st.integers(0, 9), st.sampled_from(ALPHABET))
def test_every_single_typing_error_is_told(code: str, place: int, symbol: str) -> None:
    typed = code[:place] + symbol + code[place + 1 :]
    if typed == code:
        assert normalise(typed) == code
    else:
        with pytest.raises(ValueError, match="typing error"):
            normalise(typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "ten letters"),
        ("ABC", "ten letters"),
        ("0" * 11, "ten letters"),
        ("UUUUU-UUUUU", "no 'U' in it"),
        ("0000\u0000-00000", "no '\\\\x00' in it"),
        ("ＡＢＣＤＥ-12345", "in it"),  # noqa: RUF001  full-width letters are not ours
    ],
)
def test_what_is_no_code_is_told_in_words(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        normalise(typed)


def test_different_chance_makes_different_codes() -> None:
    made = {from_entropy(number.to_bytes(6, "big")) for number in range(5_000)}
    assert len(made) == 5_000


def test_too_little_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="6 random bytes"):
        from_entropy(b"short")
