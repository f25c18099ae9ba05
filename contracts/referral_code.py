"""Define referral codes: nine random Crockford base-32 symbols and a check symbol, or a name.

Forty-five random bits cannot be guessed in practice, and the check symbol (Luhn modulo 32) detects
typing errors before anything is looked up. Alphabet and lenient reading are those of Douglas
Crockford's "Base 32" (I and L are read as 1, O as 0; hyphens and case are ignored).

A chosen (vanity) name is compared in the same lenient form, so that MOON and M00N are the same
name. It has no check symbol, and never the length of a random code with one symbol missing or
doubled, so that a typing error in one kind is not taken for the other kind.
"""

from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS = 9
BITS_PER_SYMBOL = 5
ENTROPY_BYTES = 6
"""Random bytes that one code consumes (48 bits, of which 45 are used)."""
VANITY_LENGTHS = frozenset({*range(4, 9), *range(12, 21)})
_VANITY_SYMBOLS = frozenset(ALPHABET + "U")
_SEPARATORS = str.maketrans({"-": None, " ": None})
_BASE = len(ALPHABET)
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LENIENT = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def from_entropy(entropy: bytes) -> str:
    """Return the code that random bytes encode, in its stored form of ten symbols.

    Raises:
        ValueError: there are fewer than `ENTROPY_BYTES` bytes.
    """
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"a referral code needs {ENTROPY_BYTES} random bytes")
    number = int.from_bytes(entropy[:ENTROPY_BYTES], "big")
    symbols = "".join(
        ALPHABET[(number >> (BITS_PER_SYMBOL * place)) % _BASE] for place in range(SYMBOLS)
    )
    return symbols + check_symbol(symbols)


def check_symbol(symbols: str) -> str:
    """Return the Luhn mod 32 symbol that completes a code."""
    return ALPHABET[-_luhn(symbols, first_factor=2) % _BASE]


def normalise(text: str) -> str:
    """Return the stored form of a code as a person typed it.

    Raises:
        ValueError: the text is no code; the message is for the person who typed it.
    """
    code = text.strip().upper().translate(_LENIENT)
    if len(code) in VANITY_LENGTHS:
        return _checked(code, _VANITY_SYMBOLS)
    if len(code) != SYMBOLS + 1:
        raise ValueError("A referral code has ten letters and digits, like 7Q0ZC-M4XKD.")
    if _luhn(_checked(code, frozenset(ALPHABET)), first_factor=1) % _BASE:
        raise ValueError("This referral code has a typing error. Check it and try again.")
    return code


def vanity(text: str) -> tuple[str, str]:
    """Return a chosen name in its stored form, and as it is shown.

    Raises:
        ValueError: it cannot be a code; the message is for the person who chose it.
    """
    name = text.strip().upper().translate(_SEPARATORS)
    if len(name) not in VANITY_LENGTHS:
        raise ValueError("A code name has 4 to 8 or 12 to 20 letters and digits.")
    return normalise(name), name


def shown(code: str) -> str:
    """Return a code as people see it: a random code in two groups of five, a name unchanged."""
    return f"{code[:5]}-{code[5:]}" if len(code) == SYMBOLS + 1 else code


CodeState = Literal["active", "spent", "expired", "revoked"]
"""Whether a code can be used now, or why not."""


class CodeTerms(Protocol):
    """Describe the limits of one code."""

    @property
    def revoked(self) -> bool: ...
    @property
    def expires_at(self) -> int | None: ...
    @property
    def max_uses(self) -> int | None: ...


def code_state(code: CodeTerms, *, uses: int, remaining: int, at: float) -> CodeState:
    """Return whether one more person can use a code at a moment (UNIX seconds).

    `uses` counts the seats that were reserved or taken with this code, `remaining` the seats that
    are left to its owner, by all codes together.
    """
    if code.revoked:
        return "revoked"
    if code.expires_at is not None and code.expires_at <= at:
        return "expired"
    spent = code.max_uses is not None and uses >= code.max_uses
    return "spent" if spent or remaining < 1 else "active"


def _checked(code: str, symbols: frozenset[str]) -> str:
    if strange := sorted(set(code) - symbols):
        raise ValueError(f"A referral code does not contain {strange[0]!r}.")
    return code


def _luhn(symbols: str, *, first_factor: int) -> int:
    """Return the sum of the values from the right, every second one doubled and folded."""
    total = 0
    factor = first_factor
    for symbol in reversed(symbols):
        addend = factor * _VALUES[symbol]
        total += addend // _BASE + addend % _BASE
        factor = 3 - factor
    return total


ReferralCode = Annotated[str, Field(max_length=32), AfterValidator(normalise)]
"""A code in its stored form: accepted as people type it, rejected if its check symbol is wrong."""
StoredReferralCode = str
"""A code in an event: generated or validated before it was stored."""
ShownReferralCode = Annotated[str, Field(pattern=r"^([0-9A-Z]{5}-[0-9A-Z]{5}|[0-9A-Z]{4,20})$")]
