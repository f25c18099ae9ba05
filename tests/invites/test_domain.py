"""Test what holds for the streams of all three aggregates."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.invites import InvitationEvent, InviterEvent, SuppressionEvent
from invites.domain import INVITES
from invites.projections import MODELS
from tests.contracts.samples import SAMPLES

EVENTS = [
    each for each in SAMPLES if isinstance(each, InvitationEvent | InviterEvent | SuppressionEvent)
]


@pytest.mark.slow
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_every_sequence_of_events_can_be_folded(events: list[Any]) -> None:
    """Older versions may have written sequences that no decision leads to today."""
    INVITES.fold(events)
    for model in MODELS:
        model.changes("invite-1", events, {})
