"""Read the password of Redis from a file each time a connection is made."""

from dataclasses import dataclass
from pathlib import Path

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError


@dataclass(frozen=True, slots=True)
class PasswordFile(CredentialProvider):
    """Authenticate with the present content of a file, so that a password can be rotated.

    Connections that exist stay authenticated; those that are made later use the new password.
    """

    path: Path
    username: str = ""
    """Empty: the default user."""

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user, if there is one, and the password without surrounding white space.

        Raises:
            AuthenticationError: The file cannot be read; a `ConnectionError`, so it is tried again.
        """
        try:
            password = self.path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AuthenticationError(f"{self.path} cannot be read: {error}") from None
        return (self.username, password) if self.username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same; the base class would log a warning at each new connection.

        Raises:
            AuthenticationError: The file cannot be read.
        """
        return self.get_credentials()
