"""Features against a protocol: right, of a foreign class, with classes missing; known sizes recognised."""

import pytest

from sketchray.data.protocols import Protocol, get_protocol, list_protocols
from sketchray.evaluation import evaluate
from sketchray.evaluation.protocols import check_protocol, headline

SPLIT = get_protocol("sketchy-21")


def spread(protocol: Protocol, count: int) -> list[str]:
    return [protocol.unseen[row % len(protocol.unseen)] for row in range(count)]


@pytest.mark.parametrize(("pictures", "gallery"), [(12_553, "listed"), (10_453, "dedup")])
def test_the_published_sizes_are_recognised(pictures: int, gallery: str) -> None:
    checked = check_protocol(SPLIT, spread(SPLIT, 12_694), [*spread(SPLIT, pictures)])
    assert checked.warnings == ()
    assert checked.facts["known size of the queries"] == "12,694, the known size (measured)"
    assert f"{pictures:,}, the known size (" in checked.facts["known size of the gallery"]
    assert f", {gallery}: " in checked.facts["known size of the gallery"]
    assert "sketchy-21, 21 unseen classes" in checked.facts["protocol"]


def test_other_sizes_missing_classes_and_distractors_are_warned_of() -> None:
    queries = [name for name in spread(SPLIT, 100) if name != "bat"]
    checked = check_protocol(SPLIT, queries, [*spread(SPLIT, 210), "zebra", "zebra", None])
    assert checked.warnings == (
        "no queries of 1 of sketchy-21's classes: bat",
        "the gallery has 3 distractors (of zebra), which sketchy-21 does not",
        f"queries: {len(queries)}, but sketchy-21 has 12,694",
        "gallery: 210, but sketchy-21 has 12,553 (listed) or 10,453 (dedup)",
    )


def test_a_gallery_without_a_class_is_warned_of() -> None:
    (warning, *_) = check_protocol(SPLIT, spread(SPLIT, 21), spread(SPLIT, 19)).warnings
    assert warning == "no pictures in the gallery of 2 of sketchy-21's classes: windmill, window"


def test_a_foreign_query_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="2 query classes are not among the 21 unseen ones of sketchy-21: bell, harp"):
        check_protocol(SPLIT, ["bat", "harp", "bell", "harp"], spread(SPLIT, 21))


def test_either_sides_spelling_is_the_protocols() -> None:
    protocol = get_protocol("sketchy-25-sake")
    checked = check_protocol(protocol, ["Teddy Bear", "wine-bottle"], ["teddy_bear", "WINE BOTTLE", "Some thing", None])
    assert checked.query_classes == ["teddy_bear", "wine_bottle"]
    assert checked.gallery_classes == ["teddy_bear", "wine_bottle", "Some thing", None]


def test_a_protocol_without_a_known_size_says_so() -> None:
    protocol = get_protocol("sketchy-25-sempcyc")
    checked = check_protocol(protocol, spread(protocol, 50), spread(protocol, 14_626))
    assert checked.facts["known size of the queries"] == "50; no published size to compare with"
    assert checked.warnings == ()


def test_the_headline_names_every_variant_that_may_be_meant() -> None:
    assert headline(SPLIT, evaluated()) == ("map@200[voc]", "map@200[min]", "map@200[hits]", "p@200[k]")
    assert headline(get_protocol("sketchy-25-sake"), evaluated()) == ("map@all[voc]", "map@all[plain]", "p@100[k]")
    assert headline(SPLIT, ["p@200[k]", "map@50[min]"]) == ("p@200[k]",)


@pytest.mark.parametrize("name", list_protocols())
def test_every_protocol_has_a_headline(name: str) -> None:
    assert len(headline(get_protocol(name), evaluated())) >= 3


def evaluated() -> list[str]:
    return list(evaluate([[1.0, 0.0]], ["a"], [[1.0, 0.0]], ["a"]).metrics)
