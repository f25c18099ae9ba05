"""State the texts of the page that stops invitations, in each language of the pages."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.http.languages import Language


class UnsubscribeWords(NamedTuple):
    """Hold the texts in one language."""

    question: str
    button: str
    done: str


UNSUBSCRIBE_WORDS: Final[Mapping[Language, UnsubscribeWords]] = {
    "en": UnsubscribeWords(
        "Do you want to stop all invitations to this address?",
        "Unsubscribe",
        "You will receive no more invitations at this address.",
    ),
    "de": UnsubscribeWords(
        "Möchten Sie an dieser Adresse keine Einladungen mehr erhalten?",
        "Abbestellen",
        "Sie erhalten an dieser Adresse keine Einladungen mehr.",
    ),
    "fr": UnsubscribeWords(
        "Voulez-vous ne plus recevoir d'invitations à cette adresse ?",
        "Se désabonner",
        "Vous ne recevrez plus d'invitations à cette adresse.",
    ),
}
