"""Index every route under /v1, and assemble the features that serve them."""

from collections.abc import Iterator

from gateway.api import (
    accounts,
    bulk_invitations,
    campaigns,
    cluster_views,
    clusters,
    code_validity,
    codes,
    explanations,
    invitations,
    jobs,
    leaderboard,
    members,
    operations,
    overview,
    own_events,
    points,
    profiles,
    received_invitations,
    referrals,
    referred_people,
    report_parts,
    review_cases,
    token_map,
    token_revocation,
    token_views,
    tokens,
)
from gateway.api.closed_days import ClosedDays
from gateway.api.code_details import CodeLinks
from gateway.api.code_guesses import CodeGuesses
from gateway.api.invitation_seats import InvitationSeats
from gateway.api.inviters import Inviters
from gateway.api.own_ranks import OwnRanks
from gateway.dependencies import Dependencies
from gateway.http.routing import AnyRoute, BoundRoute, bound

ROUTES: tuple[AnyRoute, ...] = (
    *accounts.ROUTES,
    *profiles.ROUTES,
    *overview.ROUTES,
    *own_events.ROUTES,
    *code_validity.ROUTES,
    *codes.ROUTES,
    *referrals.ROUTES,
    *referred_people.ROUTES,
    *points.ROUTES,
    *leaderboard.ROUTES,
    *invitations.ROUTES,
    *bulk_invitations.ROUTES,
    *received_invitations.ROUTES,
    *tokens.ROUTES,
    *clusters.ROUTES,
    *cluster_views.ROUTES,
    *token_map.ROUTES,
    *token_views.ROUTES,
    *jobs.ROUTES,
    *operations.ROUTES,
    *members.ROUTES,
    *campaigns.ROUTES,
    *review_cases.ROUTES,
    *token_revocation.ROUTES,
)
"""Every route, for the API description and CORS; needs no dependencies."""


def bind(dependencies: Dependencies) -> Iterator[BoundRoute]:
    """Assemble each feature with the dependencies it uses, and bind its routes to it."""
    yield from _bind_accounts(dependencies)
    yield from _bind_referrals(dependencies)
    yield from _bind_points(dependencies)
    yield from _bind_invitations(dependencies)
    yield from _bind_clusters(dependencies)
    yield from _bind_administration(dependencies)
    yield from bound(operations.ROUTES, operations.Operations(dependencies.commands.sent))


def _bind_accounts(given: Dependencies) -> Iterator[BoundRoute]:
    yield from bound(
        accounts.ROUTES,
        accounts.Accounts(
            commands=given.commands,
            read_models=given.read_models,
            own_documents=given.own_documents,
            addresses=given.addresses,
        ),
    )
    yield from bound(
        codes.ROUTES,
        codes.Codes(
            commands=given.commands,
            read_models=given.read_models,
            own_documents=given.own_documents,
            links=CodeLinks(given.settings.join_url),
        ),
    )
    profile = profiles.Profiles(given.commands, given.own_documents)
    yield from bound(profiles.ROUTES, profile)
    sources = own_events.Sources(given.read_models, _own_ranks(given))
    yield from bound(own_events.ROUTES, own_events.OwnEvents(sources, given.streams))


def _bind_referrals(given: Dependencies) -> Iterator[BoundRoute]:
    guesses = CodeGuesses(given.limiter, given.addresses, given.proofs)
    yield from bound(code_validity.ROUTES, code_validity.CodeValidity(given.read_models, guesses))
    yield from bound(
        referrals.ROUTES,
        referrals.Referrals(
            commands=given.commands,
            read_models=given.read_models,
            guesses=guesses,
            seats=_seats(given),
            addresses=given.addresses,
            ids=given.settings.referral_ids,
        ),
    )
    people = referred_people.ReferredPeople(given.read_models, given.own_documents)
    yield from bound(referred_people.ROUTES, people)


def _bind_points(given: Dependencies) -> Iterator[BoundRoute]:
    read_models, own_documents = given.read_models, given.own_documents
    closed_days = ClosedDays(read_models)
    explaining = explanations.Explanations(read_models)
    own_ranks = _own_ranks(given)
    own_points = points.Points(
        read_models, own_documents, closed_days, given.limiter, explaining, own_ranks
    )
    boards = leaderboard.Leaderboard(read_models, closed_days, own_documents)
    overviews = overview.Overviews(
        read_models=read_models,
        own_documents=own_documents,
        own_ranks=own_ranks,
        closed_days=closed_days,
        explanations=explaining,
        links=CodeLinks(given.settings.join_url),
        leaderboard=boards,
    )
    yield from bound(points.ROUTES, own_points)
    yield from bound(leaderboard.ROUTES, boards)
    yield from bound(overview.ROUTES, overviews)


def _own_ranks(given: Dependencies) -> OwnRanks:
    return OwnRanks(given.read_models, given.changes)


def _bind_invitations(given: Dependencies) -> Iterator[BoundRoute]:
    commands, read_models = given.commands, given.read_models
    inviting = Inviters(read_models, given.own_documents, given.changes, commands.waits)
    yield from bound(invitations.ROUTES, invitations.Invitations(commands, read_models, inviting))
    yield from bound(
        bulk_invitations.ROUTES, bulk_invitations.BulkInvitations(commands, read_models, inviting)
    )
    yield from bound(
        received_invitations.ROUTES,
        received_invitations.ReceivedInvitations(commands, read_models, _seats(given)),
    )


def _seats(given: Dependencies) -> InvitationSeats:
    ids, waits = given.settings.referral_ids, given.commands.waits
    return InvitationSeats(given.read_models, ids, given.changes, waits)


def _bind_clusters(given: Dependencies) -> Iterator[BoundRoute]:
    served = tokens.Tokens(given.settings.chains, given.reports)
    analyses = jobs.AnalysisJobs(given.read_models, given.changes)
    reports = clusters.Clusters(served, given.reports, analyses, given.commands, given.limiter)
    parts = report_parts.ReportParts(served, given.reports, reports)
    views = cluster_views.ClusterViews(served, given.reports, parts)
    yield from bound(tokens.ROUTES, served)
    yield from bound(clusters.ROUTES, reports)
    yield from bound(cluster_views.ROUTES, views)
    maps = token_map.TokenMaps(served, parts, given.maps)
    yield from bound(token_map.ROUTES, maps)
    yield from bound(token_views.ROUTES, token_views.TokenViews(given.reports, parts))
    yield from bound(jobs.ROUTES, jobs.Jobs(analyses, given.commands.waits, given.streams))


def _bind_administration(given: Dependencies) -> Iterator[BoundRoute]:
    commands, read_models = given.commands, given.read_models
    links = CodeLinks(given.settings.join_url)
    yield from bound(members.ROUTES, members.Members(commands, read_models, links))
    yield from bound(campaigns.ROUTES, campaigns.Campaigns(commands, read_models, links))
    yield from bound(review_cases.ROUTES, review_cases.ReviewCases(commands, read_models))
    yield from bound(
        token_revocation.ROUTES,
        token_revocation.TokenRevocation(given.revocations, given.settings.refresh_token_days),
    )
