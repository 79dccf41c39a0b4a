"""The published class lists: their sizes, that no name is two classes, and that SEM-PCYC's draw comes out again."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchray.data.protocols import (
    Protocol,
    classes_of,
    get_protocol,
    list_protocols,
    normalise,
    protocols_of,
)
from sketchray.data.protocols.protocol import Gallery, Part
from sketchray.data.samples import Modality

SIZES = {
    "quickdraw-30": (80, 30),
    "sketchy-21": (104, 21),
    "sketchy-25-sake": (100, 25),
    "sketchy-25-sempcyc": (100, 25),
    "tuberlin-30-sake": (220, 30),
    "tuberlin-30-sempcyc": (220, 30),
}


@pytest.fixture(params=SIZES)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return get_protocol(request.param)


def test_there_are_these_six() -> None:
    assert list_protocols() == sorted(SIZES)
    assert [p.name for p in protocols_of("sketchy")] == ["sketchy-21", "sketchy-25-sake", "sketchy-25-sempcyc"]


def test_a_protocol_divides_its_datasets_classes(protocol: Protocol) -> None:
    assert (len(protocol.seen), len(protocol.unseen)) == SIZES[protocol.name]
    everything = classes_of(protocol.dataset)
    assert protocol.n_classes == len(everything)
    assert sorted(protocol.seen + protocol.unseen) == sorted(everything)
    assert protocol.unseen_words == {normalise(word) for word in protocol.unseen}
    assert len(protocol.source) > 20
    assert protocol.metrics


@pytest.mark.parametrize("dataset", ["sketchy", "tuberlin", "quickdraw"])
def test_no_two_classes_become_one_when_normalised(dataset: str) -> None:
    words = [normalise(name) for name in classes_of(dataset)]
    assert len(set(words)) == len(words)


def test_the_two_splits_that_papers_print_in_one_column_share_four_classes() -> None:
    sake, sempcyc = (get_protocol(f"sketchy-25-{name}") for name in ("sake", "sempcyc"))
    assert sake.unseen_words & sempcyc.unseen_words == {"bell", "squirrel", "tank", "wheelchair"}


@pytest.mark.parametrize(
    ("name", "dataset", "seen"), [("sketchy-25", "sketchy", 100), ("tuberlin-30", "tuberlin", 220)]
)
def test_sempcycs_lists_are_what_its_code_draws(name: str, dataset: str, seen: int) -> None:
    classes = sorted(classes_of(dataset))
    drawn = np.random.RandomState(0).choice(classes, seen, replace=False)
    assert sorted(set(classes) - set(drawn.tolist())) == sorted(get_protocol(f"{name}-sempcyc").unseen)


@pytest.mark.parametrize("name", ["sketchy-25", "tuberlin-30"])
def test_a_name_of_two_lists_is_refused_with_both(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}-sake or {name}-sempcyc"):
        get_protocol(name)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no protocol 'quickdraw30'; did you mean quickdraw-30"):
        get_protocol("quickdraw30")


def test_known_sizes_add_up(protocol: Protocol) -> None:
    """Where all, seen and unseen are known without rounding, the parts make the whole."""
    for modality in get_args(Modality):
        for gallery in get_args(Gallery):
            seen = {k.count for k in protocol.known(modality, "seen", gallery)}
            unseen = {k.count for k in protocol.known(modality, "unseen", gallery)}
            whole = {k.count for k in protocol.known(modality, "all", gallery) if not k.rounded}
            if seen and unseen and whole:
                assert len(seen) == len(unseen) == 1
                assert seen.pop() + unseen.pop() in whole


def test_sketchys_originals_are_what_the_listed_gallery_has_more() -> None:
    for name in ("sketchy-21", "sketchy-25-sake", "sketchy-25-sempcyc"):
        protocol = get_protocol(name)
        for part, classes in zip(
            get_args(Part), (protocol.seen + protocol.unseen, protocol.seen, (), protocol.unseen), strict=True
        ):
            listed = [k.count for k in protocol.known("photo", part, "listed")]
            dedup = [k.count for k in protocol.known("photo", part, "dedup")]
            assert [a - b for a, b in zip(listed, dedup, strict=True)] == [100 * len(classes)] * bool(classes)


@pytest.mark.parametrize(
    ("spellings", "word"),
    [
        (("jack-o-lantern", "jack_o_lantern", "Jack O Lantern", "jack-o'-lantern"), "jack o lantern"),
        (("car_(sedan)", "car (sedan)", "car-sedan", "car_sedan"), "car sedan"),
        (("hot-air_balloon", "hot air balloon", " hot_air_balloon "), "hot air balloon"),
        (("t-shirt", "T-Shirt", "t_shirt"), "t shirt"),
        (("palm tree", "palm_tree", "palm  tree"), "palm tree"),
        (("caf\u00e9", "cafe\u0301"), "caf\u00e9"),
    ],
)
def test_spellings_of_one_class(spellings: tuple[str, ...], word: str) -> None:
    assert {normalise(spelling) for spelling in spellings} == {word}


@given(st.text())
def test_normalising_twice_is_normalising_once(name: str) -> None:
    once = normalise(name)
    assert normalise(once) == once
