import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.referral_code import ALPHABET, code_state, from_entropy, normalise, shown
from contracts.referrals import CodesView, CodeView

NOON = 1_790_000_000
codes = st.binary(min_size=6, max_size=6).map(from_entropy)


@pytest.mark.slow
@given(codes)
def test_a_code_is_read_as_people_type_it(code: str) -> None:
    assert normalise(code) == code
    assert normalise(shown(code)) == code
    assert normalise(f"  {shown(code).lower()} ") == code
    assert normalise(code.replace("0", "o").replace("1", "l")) == code


@pytest.mark.slow
@given(codes, st.integers(0, 9), st.sampled_from(ALPHABET))
def test_every_single_typing_error_is_detected(code: str, place: int, symbol: str) -> None:
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
        ("UUUUU-UUUUU", "not contain 'U'"),
        ("0000\u0000-00000", "not contain '\\\\x00'"),
        ("ＡＢＣＤＥ-12345", "not contain"),  # noqa: RUF001  full-width letters are not valid
    ],
)
def test_a_text_that_is_no_code_is_rejected_with_an_explanation(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        normalise(typed)


def test_different_random_bytes_give_different_codes() -> None:
    made = {from_entropy(number.to_bytes(6, "big")) for number in range(5_000)}
    assert len(made) == 5_000


def test_too_few_random_bytes_are_rejected() -> None:
    with pytest.raises(ValueError, match="6 random bytes"):
        from_entropy(b"short")


def terms(*, revoked: bool = False, max_uses: int | None = None) -> CodeView:
    return CodeView(
        code="0000000000",
        shown="00000-00000",
        kind="random",
        revoked=revoked,
        max_uses=max_uses,
        expires_at=NOON,
    )


@pytest.mark.parametrize(
    ("code", "uses", "remaining", "at", "state"),
    [
        (terms(), 0, 1, NOON - 1, "active"),
        (terms(), 0, 1, NOON, "expired"),
        (terms(), 0, 0, NOON - 1, "spent"),
        (terms(max_uses=2), 1, 1, NOON - 1, "active"),
        (terms(max_uses=2), 2, 1, NOON - 1, "spent"),
        (terms(revoked=True), 0, 0, NOON, "revoked"),
    ],
)
def test_a_code_is_active_until_it_is_revoked_expired_or_spent(
    code: CodeView, uses: int, remaining: int, at: int, state: str
) -> None:
    assert code_state(code, uses=uses, remaining=remaining, at=at) == state
    view = CodesView(
        member_id="m", remaining=remaining, codes=(code.model_copy(update={"uses": uses}),)
    )
    assert view.state_of(view.codes[0], at) == state
