"""Order the files of tests so that no worker is left with a long one at the end."""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
LONGEST: Final = (
    "web/test_token_page.py",
    "chaos/test_gateway_ends.py",
    "journeys/test_cluster.py",
    "recipes/test_recipes.py",
    "web/test_states.py",
    "chaos/test_chaos.py",
    "web/test_access.py",
    "deploy/test_local.py",
    "web/test_story_with_kills.py",
    "chaos/test_keys_away.py",
    "web/test_past.py",
    "gateway/test_api_pages.py",
    "chassis/run/test_refused_commands.py",
    "web/test_refusals.py",
    "gateway/test_description_holds.py",
    "chassis/views/test_recovery.py",
    "gateway/test_bodies.py",
    "gateway/test_docs_page_in_browser.py",
    "journeys/test_background_tasks.py",
    "web/test_session.py",
    "web/test_story.py",
    "chaos/test_redis_dies.py",
    "web/test_hostile_texts.py",
    "web/test_map_picture.py",
    "chaos/test_failover.py",
    "web/test_keyboard.py",
    "journeys/test_restore.py",
    "deploy/test_policies.py",
    "web/test_profile.py",
    "chaos/test_refusals.py",
    "chaos/test_slow_connections.py",
    "journeys/test_real_chain.py",
    "chaos/test_shards.py",
    "journeys/test_refusing_redis.py",
    "architecture/test_layout.py",
    "journeys/test_kill_at_every_step.py",
    "journeys/test_traces.py",
    "web/test_first_screen.py",
)
"""Most files that take more than 15 s, roughly by their seconds, longest first."""
_RANKS: Final = {TESTS / file: rank for rank, file in enumerate(LONGEST)}


def rank(file: Path) -> int:
    """Return the place of a file of tests: lower ones run first."""
    return _RANKS.get(file, len(LONGEST))
