"""Demo people: signed up and signed in by the calls that an app makes, and programs' tokens."""

import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deploy.local.provision import client

PASSWORD = "Vouch-demo-2026"  # noqa: S105  of people who exist on this machine only
DEMO_PEOPLE = ("alice@example.com", "bob@example.com", "carol@example.com")
ADMIN = "admin@example.com"
"""Is put into the group of administrators when it signs up."""
SERVICE = "service"
Use = Literal["id", "access"]


@dataclass(frozen=True)
class People:
    """The user pool of a stack on the local AWS."""

    endpoint: str
    pool: str
    app: str
    program: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "People":
        """From what `service_environment` has put together."""
        return cls(
            endpoint=environment["AWS_ENDPOINT_URL"],
            pool=environment["COGNITO_ISSUER"].rpartition("/")[2],
            app=environment["COGNITO_CLIENT_IDS"],
            program=environment["COGNITO_SERVICE_CLIENT_IDS"],
        )

    def sign_up(self, email: str) -> None:
        """Make a person with a verified address; a person who exists is left alone."""
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
        # what the code in the confirmation mail would do
        cognito.admin_confirm_sign_up(UserPoolId=self.pool, Username=email)
        cognito.admin_update_user_attributes(
            UserPoolId=self.pool,
            Username=email,
            UserAttributes=[{"Name": "email_verified", "Value": "true"}],
        )
        if email == ADMIN:
            cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=email, GroupName="admin")

    def sign_in(self, email: str) -> dict[Use, str]:
        """The tokens that the pool hands to a person with the right password."""
        answer = self._cognito().initiate_auth(
            ClientId=self.app,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return {"id": answer["IdToken"], "access": answer["AccessToken"]}

    def token(self, email: str, use: Use = "id") -> str:
        """A fresh token of a demo person, who is made on demand."""
        self.sign_up(email)
        return self.sign_in(email)[use]

    def service_token(self) -> str:
        """An access token of a program: client credentials, scope `vouch/users.write`."""
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
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
            token: str = json.load(reply)["access_token"]
        return token

    def _cognito(self) -> Any:
        return client("cognito-idp", self.endpoint)
