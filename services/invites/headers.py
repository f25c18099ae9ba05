"""Write header fields exactly as they are given (pure).

The standard library parses the value of a header before it writes it. It would decode what looks
like an encoded word (RFC 2047) in a name that a person wrote, and write it out decoded.
"""

from email.charset import QP, Charset
from email.header import Header
from email.message import EmailMessage
from email.policy import Policy
from typing import Any, ClassVar, Final, Self

MAX_LINE: Final = 400
_ENCODED_WORD: Final = "=?"
_UTF8: Final = Charset("utf-8")
_UTF8.header_encoding = QP


class ExactHeader(str):
    """Represent a value that is written as ASCII text, or else as encoded words."""

    __slots__ = ("name",)
    name: str
    defects: ClassVar[tuple[Any, ...]] = ()

    def __new__(cls, name: str, value: str) -> Self:
        header = super().__new__(cls, value)
        header.name = name
        return header

    def fold(self, *, policy: Policy) -> str:
        """Return the lines of this header field; the generator of mails calls this."""
        return f"{self.name}: {self._encoded(policy.linesep)}{policy.linesep}"

    def _encoded(self, linesep: str) -> str:
        is_plain = self.isascii() and self.isprintable() and _ENCODED_WORD not in self
        if is_plain and len(self) <= MAX_LINE and self == self.strip():
            return str(self)
        return Header(str(self), _UTF8, header_name=self.name).encode(linesep=linesep)


def add_header(message: EmailMessage, name: str, value: str) -> None:
    """Add a header field with exactly this value.

    Raises:
        ValueError: the value contains a line break.
    """
    if len(value.splitlines()) > 1:
        raise ValueError(f"the header {name} must be one line")
    message[name] = ExactHeader(name, value)
