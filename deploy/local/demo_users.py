"""Sign demo users up and in with the calls that an app makes, and get tokens for programs."""

import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deploy.local.provision import client

PASSWORD = "Vouch-demo-2026"  # noqa: S105  the users exist on this machine only
DEMO_USERS = ("alice@example.com", "bob@example.com", "carol@example.com")
ADMIN = "admin@example.com"
"""Joins the group of administrators when it signs up."""
PROGRAM = "service"
"""Name for `make token` that means a program, which calls the API on its own behalf."""
Use = Literal["id", "access"]


def subject_of(token: str) -> str:
    """Return the id of the person whom a token names, without verifying the token."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])


@dataclass(frozen=True)
class UserPool:
    """Use the user pool of a stack on the local AWS."""

    endpoint: str
    pool: str
    app: str
    program: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "UserPool":
        """Return the pool that `service_environment` describes."""
        return cls(
            endpoint=environment["AWS_ENDPOINT_URL"],
            pool=environment["COGNITO_ISSUER"].rpartition("/")[2],
            app=environment["COGNITO_CLIENT_IDS"],
            program=environment["COGNITO_SERVICE_CLIENT_IDS"],
        )

    def sign_up(self, email: str) -> None:
        """Create a user with a verified address, unless the user exists."""
        cognito = self._cognito()
        try:
            cognito.sign_up(
                ClientId=self.app,
                Username=email,
                Password=PASSWORD,
                UserAttributes=[{"Name": "email", "Value": email}],
            )
        except cognito.exceptions.UsernameExistsException:
            return
        # replaces the code of the confirmation mail
        cognito.admin_confirm_sign_up(UserPoolId=self.pool, Username=email)
        cognito.admin_update_user_attributes(
            UserPoolId=self.pool,
            Username=email,
            UserAttributes=[{"Name": "email_verified", "Value": "true"}],
        )
        if email == ADMIN:
            cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=email, GroupName="admin")

    def sign_in(self, email: str) -> dict[Use, str]:
        """Return a new token of each kind."""
        result = self._authenticate(email)
        return {"id": result["IdToken"], "access": result["AccessToken"]}

    def refresh_token(self, email: str) -> str:
        """Return a new refresh token of a user, who is created on demand."""
        self.sign_up(email)
        return self._authenticate(email)["RefreshToken"]

    def sign_out_everywhere(self, email: str) -> None:
        """End all sessions of a user, on every device."""
        self._cognito().admin_user_global_sign_out(UserPoolId=self.pool, Username=email)

    def token(self, email: str, use: Use = "id") -> str:
        """Return a new token of a user, who is created on demand."""
        self.sign_up(email)
        return self.sign_in(email)[use]

    def service_token(self) -> str:
        """Return a program's access token: client credentials, scope `vouch/users.write`."""
        described = self._cognito().describe_user_pool_client(
            UserPoolId=self.pool, ClientId=self.program
        )["UserPoolClient"]
        credentials = f"{self.program}:{described['ClientSecret']}".encode()
        form = {"grant_type": "client_credentials", "scope": "vouch/users.write"}
        request = urllib.request.Request(  # noqa: S310  the local AWS
            f"{self.endpoint}/oauth2/token",
            data=urllib.parse.urlencode(form).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(credentials).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            token: str = json.load(response)["access_token"]
        return token

    def _authenticate(self, email: str) -> dict[str, str]:
        result: dict[str, str] = self._cognito().initiate_auth(
            ClientId=self.app,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return result

    def _cognito(self) -> Any:
        return client("cognito-idp", self.endpoint)
