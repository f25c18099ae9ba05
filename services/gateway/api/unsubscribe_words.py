"""State the texts of the page that stops invitations, in each language of the pages."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.http.languages import Language


class UnsubscribeWords(NamedTuple):
    """Hold the texts in one language."""

    question: str
    button: str
    done: str
    back: str
    """Label of the link to the pages."""


UNSUBSCRIBE_WORDS: Final[Mapping[Language, UnsubscribeWords]] = {
    "en": UnsubscribeWords(
        "Do you want to stop all invitations to this address?",
        "Unsubscribe",
        "Done. Invitations from members will no longer be mailed to this address.",
        "Go to Vouch",
    ),
    "de": UnsubscribeWords(
        "Möchten Sie an dieser Adresse keine Einladungen mehr erhalten?",
        "Abbestellen",
        "Erledigt. Einladungen von Mitgliedern werden nicht mehr an diese Adresse gesendet.",
        "Zu Vouch",
    ),
    "fr": UnsubscribeWords(
        "Voulez-vous ne plus recevoir d'invitations à cette adresse ?",
        "Se désabonner",
        "C'est fait. Les invitations des membres ne seront plus envoyées à cette adresse.",
        "Aller à Vouch",
    ),
}
