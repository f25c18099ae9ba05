"""`what-if` applies other rules to the same history and writes nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from referrals.guards import GuardRules
from referrals.what_if import InvalidRules, OtherPoints, RuleSet, read_rules, report_lines, what_if
from tests.referrals.service import ReferralsService, referrals_service

pytestmark = pytest.mark.stack
START = 1_790_000_000


@pytest.fixture
async def service(redis: Any) -> AsyncIterator[ReferralsService]:
    async with referrals_service(redis, START) as service:
        code = await service.open("alice")
        await service.refer("alice", code, "bob")
        service.at = START + 3_600
        for number in range(7):
            await service.refer("alice", code, f"sam{number}")
        yield service


async def test_the_rules_in_force_change_nothing(service: ReferralsService) -> None:
    report = await what_if(service.store, RuleSet(guards=GuardRules(version=1)), 0)
    assert report.verdicts == 8
    assert report.changed == []
    assert report.bands["delay", "delay"] > 0  # of seven within an hour, some were too many


async def test_other_rules_decide_by_the_evidence_of_the_time(service: ReferralsService) -> None:
    before = {name: len(commits) for name, commits in service.store.streams.items()}
    strict = GuardRules(version=2, velocity_an_hour=2, velocity=60)
    report = await what_if(service.store, RuleSet(guards=strict), 0)
    assert report.bands["confirm", "hold"] > 0
    first = report.changed[0]
    assert first.was.rules_version == 1
    assert first.would_be.rules_version == 2
    assert "velocity" in {component.name for component in first.would_be.components}
    assert {name: len(commits) for name, commits in service.store.streams.items()} == before
    assert any(line.startswith("  ! confirm -> hold") for line in report_lines(report))


async def test_only_verdicts_since_the_given_time_are_decided_again(
    service: ReferralsService,
) -> None:
    since = (START + 3_600) * 1000
    report = await what_if(service.store, RuleSet(guards=GuardRules(version=1)), since)
    assert report.verdicts == 7


async def test_only_streams_with_events_since_the_given_time_are_read(
    service: ReferralsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.at = START + 7_200
    code = await service.open("carol")
    await service.refer("carol", code, "dora")
    monkeypatch.setattr(type(service.store), "scan", None)  # which reads everything
    since = (START + 7_200) * 1000
    report = await what_if(service.store, RuleSet(guards=GuardRules(version=1)), since)
    assert (report.verdicts, report.bands["confirm", "confirm"]) == (1, 1)
    assert report.streams == 2  # carol's, and dora's with the credit


async def test_a_stream_that_cannot_be_read_is_named_and_left_out(
    service: ReferralsService,
) -> None:
    commits = service.store.streams["member-alice"]
    commits[-1] = replace(commits[-1], data=b'{"no": "list"}')
    report = await what_if(service.store, RuleSet(guards=GuardRules(version=1)), START * 1000)
    assert report.verdicts == 0
    assert "it is left out" in report.unreadable["member-alice"]
    assert any(line.startswith("member-alice cannot be read") for line in report_lines(report))


async def test_points_are_counted_again(service: ReferralsService) -> None:
    rules = RuleSet(points=OtherPoints(inviter=50, invited=0))
    report = await what_if(service.store, rules, 0)
    confirmed = 6  # each earns 100 points for the inviter and 10 for the invited person
    assert report.points == confirmed * (100 + 10)
    assert report.points_would_be == confirmed * 50
    assert report.members_with_other_points == 1 + confirmed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON"),
        ('{"guards": {}}', "guards.version"),
        ('{"guards": {"version": 2, "typo": 1}}', "guards.typo"),
        ('{"guards": {"version": 2, "hold_from": 1}}', "ascending order"),
        ('{"rules": {}}', "rules"),
    ],
)
def test_an_invalid_rules_file_is_rejected(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(text)
    with pytest.raises(InvalidRules, match=words):
        read_rules(file)
    with pytest.raises(InvalidRules, match="cannot be read"):
        read_rules(tmp_path / "nothing")
