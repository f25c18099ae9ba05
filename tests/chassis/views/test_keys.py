"""The layout of Redis keys does not change: running instances of other versions share it."""

from chassis.views.keys import (
    KeyLocation,
    board_key,
    control_key,
    document_location,
    generation_of,
    lease_key,
    parked_key,
    pending_key,
    plan_key,
    shared_location,
)


def test_keys_of_a_service_share_the_slot_of_its_name() -> None:
    assert control_key("counting") == "{counting}:generations"
    assert pending_key("counting", "counters", 2) == "{counting}:behind:counters:2"
    assert parked_key("counting", "counters", 7) == "{counting}:parked:counters:7"
    assert plan_key("counting", "counters") == "{counting}:rebuild:counters"
    assert lease_key("counting", "counters", 3) == "{counting}:rebuilding:counters:3"


def test_a_document_is_one_hash_with_its_version() -> None:
    key = "counting:{counters:7:counter-a}"
    location = document_location("counting", "counters", 7, "counter-a")
    assert location == KeyLocation(key, "v", key, key, "f")
    assert generation_of(key.encode()) == 7


def test_shared_entries_their_versions_and_boards_share_a_slot() -> None:
    location = shared_location("counting", "order", 7, "counter-a")
    assert location == KeyLocation(
        "counting:{order:7}:versions",
        "counter-a",
        "counting:{order:7}:entries",
        "counting:{order:7}:fingerprints",
        "counter-a",
    )
    assert board_key(location.data_key, "all") == "counting:{order:7}:entries:by:all"
    assert generation_of(location.data_key.encode()) == 7
