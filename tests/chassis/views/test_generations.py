"""Live projection writes the generations of its own fold versions, and records the others."""

from chassis.views.generations import (
    Generation,
    parse_generations,
    serving,
    written_by,
    written_by_others,
)

CONTROL = {
    b"counters": b"4.2",
    b"counters:building": b"5.3",
    b"counters:previous": b"3.2",
    b"names": b"1",
}


def test_the_control_hash_names_up_to_three_generations_of_a_read_model() -> None:
    assert parse_generations(CONTROL) == [
        Generation("counters", 4, 2, "serving"),
        Generation("counters", 5, 3, "building"),
        Generation("counters", 3, 2, "previous"),
        Generation("names", 1, 1, "serving"),  # without a fold version: version 1
    ]
    assert {name: each.value for name, each in serving(CONTROL).items()} == {
        "counters": "4.2",
        "names": "1.1",
    }


def test_every_generation_is_written_by_the_instances_with_its_fold_version() -> None:
    generations = parse_generations(CONTROL)
    old, new = {"counters": 2, "names": 1}, {"counters": 3, "names": 1}
    assert written_by(old, generations) == {("counters", 4), ("counters", 3), ("names", 1)}
    assert written_by(new, generations) == {("counters", 5), ("names", 1)}
    assert written_by_others(old, generations) == {("counters", 3)}
    assert written_by_others(new, generations) == {("counters", 2)}


def test_read_models_of_other_services_are_not_written() -> None:
    generations = parse_generations(CONTROL)
    assert written_by({"totals": 1}, generations) == frozenset()
    assert written_by_others({"totals": 1}, generations) == frozenset()
