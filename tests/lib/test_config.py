"""Typed configuration: recipes, dotted overrides, and errors that name the key."""

from pathlib import Path

import pytest

from sketchray.config import Config, ConfigError, digest, load_config, override


class Inner(Config):
    tau: float = 0.1
    names: tuple[str, ...] = ()


class Outer(Config):
    data: Inner = Inner()
    loss: Inner = Inner()
    steps: int = 3


class Search(Config):
    train: Outer = Outer()
    trials: int = 1


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text("data: {tau: 0.5}\ntrain: {steps: 7, loss: {tau: 2.0, names: [a]}}\nindex: {shards: 2}\n")
    return path


def test_a_verb_gets_its_section_and_the_shared_ones(recipe: Path) -> None:
    config = load_config(Outer, verb="train", recipe=recipe)
    assert (config.data.tau, config.loss.tau, config.loss.names, config.steps) == (0.5, 2.0, ("a",), 7)


def test_a_verb_may_say_more_of_a_shared_section(recipe: Path) -> None:
    recipe.write_text("data: {tau: 0.5, names: [a]}\ntrain: {data: {names: [b]}}\n")
    config = load_config(Outer, verb="train", recipe=recipe)
    assert (config.data.tau, config.data.names) == (0.5, ("b",))


def test_a_verb_that_holds_another_verbs_configuration_gets_the_recipes(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "tune: {trials: 4, train: {loss: {tau: 3.0}}}\n")
    config = load_config(Search, verb="tune", recipe=recipe, overrides=["train.data.names=[b]"])
    assert config.trials == 4
    inner = load_config(Outer, verb="train", recipe=recipe, overrides=["loss.tau=3.0", "data.names=[b]"])
    assert config.train == inner
    with pytest.raises(ConfigError, match=r"unknown key train\.loss\.tua; did you mean train\.loss\.tau"):
        load_config(Search, verb="tune", recipe=recipe, overrides=["train.loss.tua=1"])


def test_values_are_replaced_by_dotted_key() -> None:
    config = Outer(loss=Inner(names=("a",)))
    assert override(config, {"loss.tau": 2, "steps": 5}) == Outer(loss=Inner(tau=2, names=("a",)), steps=5)
    assert config == Outer(loss=Inner(names=("a",)))
    with pytest.raises(ConfigError, match=r"did you mean loss\.tau"):
        override(config, {"loss.tua": 2})


def test_overrides_keep_their_neighbours_and_their_yaml_types(recipe: Path) -> None:
    config = load_config(Outer, verb="train", recipe=recipe, overrides=["loss.tau=3", "loss.names=[x, y]"])
    assert (config.loss.tau, config.loss.names, config.steps) == (3.0, ("x", "y"), 7)
    config = load_config(Outer, verb="train", recipe=recipe, overrides=["loss.tau=3"])
    assert config.loss.names == ("a",)


def test_without_a_recipe_the_defaults_hold() -> None:
    assert load_config(Outer, verb="train") == Outer()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("loss.tua=1", "did you mean loss.tau"),
        ("setps=1", "did you mean steps"),
        ("steps=many", "steps"),
        ("steps", "key.sub=value"),
        ("=3", "key.sub=value"),
        ("loss.names=[", "YAML"),
        ("steps.deep=1", "steps"),
    ],
)
def test_a_wrong_override_is_named(recipe: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        load_config(Outer, verb="train", recipe=recipe, overrides=[override])


def test_an_unreadable_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(Outer, verb="train", recipe=tmp_path / "nowhere.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        load_config(Outer, verb="train", recipe=bad)
    bad.write_text("- a\n- b")
    with pytest.raises(ConfigError, match="mapping"):
        load_config(Outer, verb="train", recipe=bad)


def test_the_digest_depends_on_values_not_on_order() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest(Outer()) == digest(Outer(steps=3)) != digest(Outer(steps=4))
