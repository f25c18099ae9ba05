"""Validate, compare, digest and mask e-mail addresses.

An address is stored as it was typed, in lower case. Its domain has two more forms: A-labels
(`xn--…`), in which mail is sent, and Unicode, in which addresses are compared.
"""

import hashlib
import re
from typing import Final

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from contracts.texts import one_line

MAX_CHARACTERS: Final = 254
DIGEST_CHARACTERS: Final = 32
_DOTLESS: Final = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
"""Domains of providers that ignore dots -> their main domain."""
_NAMED: Final = re.compile(r"[^<>]*<([^<>]+)>")
"""An address with a display name, such as `Bob <bob@example.com>`."""
_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(\.{_ATOM})*", re.IGNORECASE)
_MAX_LOCAL: Final = 64
_ENCODED_WORD: Final = "=?"
"""Mail programs decode what follows (RFC 2047), so that they would show another address."""


def typed_address(text: str) -> str:
    """Return an address to which mail can be sent, as it was typed, in lower case.

    SES takes local parts of ASCII characters only, without quotes; every domain that DNS can
    resolve is accepted, in Unicode or as A-labels. A display name before `<…>` is dropped.

    Raises:
        ValueError: with a text that says what to do; it does not repeat the address.
    """
    return _typed(text)[0]


def _typed(text: str) -> tuple[str, ValidatedEmail]:
    """Return an address as it was typed, in lower case, and the forms of its domain."""
    text = text.strip()
    if (named := _NAMED.fullmatch(text)) is not None:
        text = named[1].strip()
    local, at, domain = text.rpartition("@")
    if not (local and at and domain):
        raise ValueError("Enter a complete e-mail address, such as bob@example.com.")
    _check_length(text)
    _check_local(local)
    if (parsed := _parsed_domain(domain)) is None:
        raise ValueError(
            "No mail can be sent to the domain after the @. Check its spelling; it must be a "
            "public domain, such as example.com."
        )
    _check_length(f"{local}@{parsed.ascii_domain}")
    return text.lower(), parsed


def verified_address(text: str) -> str:
    """Return an address that the user pool has verified, in lower case.

    Whether the address exists is the pool's business, and members get no mail. So this accepts
    what `typed_address` rejects, such as a domain of an intranet or a quoted local part.

    Raises:
        ValueError: it is longer than 254 characters, has no `@` between two parts, or contains
            control or invisible characters.
    """
    address = one_line(text)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        raise ValueError("This is not a complete e-mail address.")
    _check_length(address)
    return address.lower()


def mail_address(address: str) -> str:
    """Return the form in which mail is sent: ASCII, with the domain as A-labels.

    Raises:
        ValueError: no mail can be sent to the address.
    """
    typed, domain = _typed(address)
    return f"{typed.rpartition('@')[0]}@{domain.ascii_domain}"


def folded(address: str) -> str:
    """Return an address in the form in which addresses of the same person are equal.

    Lower case, without a +tag, without dots where the provider ignores them, and with the domain
    in Unicode. For comparison only: no mail is sent to this form.
    """
    local, _, domain = in_unicode(address).rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[domain]
    return f"{local}@{domain}"


def in_unicode(address: str) -> str:
    """Return an address in lower case with its domain in Unicode, as versions once stored it."""
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local}{at}{_unicode_domain(domain)}"


def digest(address: str) -> str:
    """Return an id for an address where the address itself must not appear, such as in a claim."""
    return hashlib.sha256(folded(address).encode()).hexdigest()[:DIGEST_CHARACTERS]


def masked(address: str) -> str:
    """Return an address as other people may see it, such as `b***@e***.com`."""
    local, _, domain = address.rpartition("@")
    name, dot, top = domain.rpartition(".")
    if not dot:
        return f"{local[:1]}***@{domain[:1]}***"
    return f"{local[:1]}***@{name[:1]}***{dot}{top}"


def _check_length(address: str) -> None:
    if len(address) > MAX_CHARACTERS:
        raise ValueError(f"An e-mail address has at most {MAX_CHARACTERS} characters.")


def _check_local(local: str) -> None:
    if not local.isascii():
        raise ValueError(
            "Mail can be sent only to addresses whose part before the @ has no accents, curly "
            "apostrophes or other special letters. Correct it, or use another address."
        )
    if len(local) > _MAX_LOCAL:
        raise ValueError(f"The part before the @ has at most {_MAX_LOCAL} characters.")
    if not _LOCAL.fullmatch(local) or _ENCODED_WORD in local:
        raise ValueError(
            "The part before the @ contains a character that is not allowed there, such as a "
            "space, a quote or a dot at its end. Correct it, or use another address."
        )


def _parsed_domain(domain: str) -> ValidatedEmail | None:
    """Return the forms of a public mail domain; None if it is none."""
    try:
        return validate_email(f"a@{domain}", check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None


def _unicode_domain(domain: str) -> str:
    """Return a domain in Unicode; one that cannot be converted stays as it is."""
    if domain.isascii() and "xn--" not in domain:
        return domain
    parsed = _parsed_domain(domain)
    return domain if parsed is None else parsed.domain
