"""The space of a search: its parameters, read from YAML or from the command line, wrong ones refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from smoothlab.config.compose import quoted
from smoothlab.config.loader import parse_override
from smoothlab.config.overrides import written
from smoothlab.errors import UserMistake
from smoothlab.sweeps.search.parameter import Choice, Number, Parameter

PARAMS = "hydra.sweeper.params"
SMOOTHING, NONE = "smoothing", "none"  # a group of the config, and its option that does nothing
NODE_KEYS = ("low", "high", "step", "log", "type", "choices", "value", "when")
EXPECTED = "a list, {low: ..., high: ...}, {choices: [...]}, a fixed value, or Hydra's text such as interval(0, 1)"


class Space:
    """What a search may choose, in the order in which it is chosen.

    Args:
        parameters: each key once; one with a condition stands after those that it names.
        fixed: overrides that every trial has, ``key=value``.

    Raises:
        UserMistake: a condition names no earlier parameter of the space, or an option that it does not have.
    """

    def __init__(self, parameters: Sequence[Parameter], fixed: Sequence[str] = ()) -> None:
        self.parameters = tuple(parameters)
        self.fixed = tuple(fixed)
        known: dict[str, Parameter] = {}
        for parameter in self.parameters:
            for key, wanted in parameter.when.items():
                other, place = known.get(key), f"{PARAMS}.{parameter.key}.when.{key}"
                if not isinstance(other, Choice):
                    raise UserMistake(f"{place}: expected an earlier parameter of this space with choices")
                for option in wanted:
                    if option not in other.options:
                        raise UserMistake(f"{place} = {option}: expected one of {', '.join(other.options)}")
            known[parameter.key] = parameter

    @classmethod
    def read(cls, params: Mapping[str, Any] | None, overrides: Sequence[str] = ()) -> Space:
        """The space of ``hydra.sweeper.params`` and of a command line.

        Args:
            params: by key. A text in Hydra's grammar (``interval(0, 1)``, ``tag(log, interval(1e-4, 1e-1))``,
                ``int(interval(1, 8))``, ``range(1, 9)``, ``a,b,c``); a list of options; a mapping with ``low`` and
                ``high`` (``step``, ``log``, ``type: int|float``; without a type whole numbers where both ends and the
                step are written without a point), with ``choices``, or with ``value``; each mapping may have ``when``.
                Any other value is the same in all trials.
            overrides: of the command line; lists and ranges are searched, the others are fixed. They win over
                ``params``.

        Raises:
            UserMistake: not one of these, an empty range, a range that its logarithm or its step does not fit.
        """
        parsed = [_parsed(text) for text in overrides]
        given = {override.get_key_element().lstrip("+~") for override in parsed}
        parameters: list[Parameter] = []
        fixed: list[str] = []
        for key, node in (params or {}).items():
            if str(key) not in given:
                _add(parameters, fixed, _from_node(str(key), node))
        for override in parsed:
            _add(parameters, fixed, _from_override(override))
        return cls(*_without_none(parameters, fixed))

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Values by key that the sampler of ``trial`` (Optuna's) chooses."""
        values: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for parameter in self.parameters:
            if parameter.applies(texts):
                values[parameter.key] = parameter.suggest(trial)
                texts[parameter.key] = parameter.text(values[parameter.key])
        return values

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """A trial's overrides: the fixed ones and ``values``."""
        return [*self.fixed, *(f"{key}={text}" for key, text in self._texts(values).items())]

    def grid(self) -> list[dict[str, Any]]:
        """Every point of the space; the last parameter changes fastest.

        Raises:
            UserMistake: a parameter has endless values.
        """
        points: list[dict[str, Any]] = [{}]
        for parameter in self.parameters:
            values = parameter.points()
            if values is None:
                raise UserMistake(f"{PARAMS}.{parameter.key}: a grid needs a step, or a list of values")
            points = [
                point | extra
                for point in points
                for extra in (
                    [{parameter.key: value} for value in values] if parameter.applies(self._texts(point)) else [{}]
                )
            ]
        return points

    def corners(self) -> list[dict[str, Any]]:
        """Few points that together show each option and both ends of each range."""
        return [
            self._point({**dict(_conditions(self, parameter)), parameter.key: value})
            for parameter in self.parameters
            for value in parameter.corners()
        ]

    def describe(self) -> dict[str, Any]:
        """Plain values by which a continued search is compared with the one that was begun."""
        return {parameter.key: parameter.describe() for parameter in self.parameters}

    def _point(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A point with the ``wanted`` values, the first ones elsewhere."""
        point: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.applies(self._texts(point)):
                point[parameter.key] = wanted.get(parameter.key, parameter.corners()[0])
        return point

    def _texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {
            parameter.key: parameter.text(values[parameter.key])
            for parameter in self.parameters
            if parameter.key in values
        }


def _without_none(parameters: Sequence[Parameter], fixed: Sequence[str]) -> tuple[list[Parameter], list[str]]:
    """Where ``smoothing`` is searched with ``none`` among its options, its own keys hold for the other options alone.

    So trials without smoothing differ in nothing that smoothing has, and are one run. What is fixed becomes a parameter
    of one value.
    """
    group = next((each for each in parameters if each.key == SMOOTHING), None)
    others = tuple(option for option in group.options if option != NONE) if isinstance(group, Choice) else ()
    if not isinstance(group, Choice) or not others or NONE not in group.options:
        return list(parameters), list(fixed)

    def is_its(key: str) -> bool:
        return key.startswith((f"{SMOOTHING}.", f"{SMOOTHING}/"))

    place = parameters.index(group)
    when = {SMOOTHING: others}
    own = [each if each.when else replace(each, when=when) for each in parameters if is_its(each.key)]
    own += [Choice(*_one_value(text), when=when) for text in fixed if is_its(text)]
    before, after = (
        [each for each in part if not is_its(each.key)] for part in (parameters[:place], parameters[place:])
    )
    return [*before, *after[:1], *own, *after[1:]], [text for text in fixed if not is_its(text)]


def _one_value(override: str) -> tuple[str, tuple[str]]:
    key, _, value = override.partition("=")
    return key, (value,)


def _conditions(space: Space, parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Options under which ``parameter`` is searched, its conditions' own conditions included."""
    for key, wanted in parameter.when.items():
        yield key, wanted[0]
        yield from _conditions(space, next(parameter for parameter in space if parameter.key == key))


def _add(parameters: list[Parameter], fixed: list[str], given: Parameter | str) -> None:
    if isinstance(given, str):
        fixed.append(given)
        return
    if any(other.key == given.key for other in parameters):
        raise UserMistake(f"{given.key}: given twice")
    parameters.append(given)


def _parsed(text: str) -> Override:
    try:
        return parse_override(text)
    except HydraException as error:
        reason = str(error).strip().splitlines()[0]
        raise UserMistake(f"{text!r}: expected key=value, or a range such as key=interval(0,1) ({reason})") from None


def _from_override(override: Override, when: Mapping[str, tuple[str, ...]] | None = None) -> Parameter | str:
    """What one override asks for: a parameter, or itself where it is the same in all trials."""
    if not override.is_sweep_override():
        return str(override.input_line)
    key = override.get_key_element()
    value = override.value()
    when = when or {}
    if isinstance(value, IntervalSweep):
        low, high, tags = value.start, value.end, value.tags
        if unknown := tags - {"log"}:
            raise UserMistake(f"{override.input_line}: tag {sorted(unknown)[0]} is not known; expected log")
        whole = isinstance(low, int) and isinstance(high, int)
        return _number(key, low, high, None, "log" in tags, whole, when)
    if isinstance(value, RangeSweep):
        try:
            values = list(value.range())
        except HydraException as error:
            raise UserMistake(f"{override.input_line}: {str(error).splitlines()[0]}") from None
        if not values:
            raise UserMistake(f"{override.input_line}: an empty range")
        values = sorted(values)
        step = values[1] - values[0] if len(values) > 1 else None
        whole = all(isinstance(value, int) for value in values)
        step = step if whole or step is None else float(f"{step:.12g}")
        return _number(key, values[0], values[-1], step, "log" in value.tags, whole, when)
    if not isinstance(value, ChoiceSweep):
        raise UserMistake(f"{override.input_line}: expected a list of values or a range; glob is not supported here")
    try:
        options = list(override.sweep_string_iterator())
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise UserMistake(f"{override.input_line}: expected a list of values or a range ({reason})") from None
    return _choice(key, options, when)


def _from_node(key: str, node: Any) -> Parameter | str:
    """What one entry of hydra.sweeper.params asks for."""
    where = f"{PARAMS}.{key}"
    if isinstance(node, str):
        return _from_override(_parsed(f"{key}={node}"))
    if isinstance(node, Sequence):
        return _choice(key, [_text(key, option) for option in node], {})
    if not isinstance(node, Mapping):
        return f"{key}={_text(key, node)}"
    if unknown := sorted(set(map(str, node)) - set(NODE_KEYS)):
        raise UserMistake(f"{where}.{unknown[0]}: no such key; expected {', '.join(NODE_KEYS)}")
    when = {str(name): _wanted(where, str(name), value) for name, value in (node.get("when") or {}).items()}
    if "value" in node:
        return _choice(key, [_text(key, node["value"])], when) if when else f"{key}={_text(key, node['value'])}"
    if "choices" in node:
        if not isinstance(node["choices"], Sequence) or isinstance(node["choices"], str):
            raise UserMistake(f"{where}.choices = {node['choices']!r}: expected a list")
        return _choice(key, [_text(key, option) for option in node["choices"]], when)
    for name in ("low", "high"):
        if name not in node:
            raise UserMistake(f"{where}.{name}: missing; expected {EXPECTED}")
    low, high, step, log = node["low"], node["high"], node.get("step"), node.get("log", False)
    kind = node.get("type")
    if kind not in (None, "int", "float"):
        raise UserMistake(f"{where}.type = {kind!r}: expected int or float")
    if not isinstance(log, bool):
        raise UserMistake(f"{where}.log = {log!r}: expected true or false")
    whole = kind == "int" or (kind is None and all(isinstance(number, int) for number in (low, high, step or 1)))
    return _number(key, low, high, step, log, whole, when)


def _wanted(where: str, name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not values:
        raise UserMistake(f"{where}.when.{name}: expected an option or a list of options")
    return tuple(_text(name, value) for value in values)


def _choice(key: str, options: Sequence[str], when: Mapping[str, tuple[str, ...]]) -> Choice:
    if not options:
        raise UserMistake(f"{PARAMS}.{key}: expected at least one option")
    if len(set(options)) < len(options):
        twice = next(option for option in options if options.count(option) > 1)
        raise UserMistake(f"{PARAMS}.{key}: {twice} stands there twice")
    return Choice(key, tuple(options), when=when)


def _number(
    key: str, low: Any, high: Any, step: Any, log: bool, whole: bool, when: Mapping[str, tuple[str, ...]]
) -> Number:
    where = f"{PARAMS}.{key}"
    for name, value in (("low", low), ("high", high), *([("step", step)] if step is not None else [])):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserMistake(f"{where}.{name} = {value!r}: expected a number")
        if whole and value != int(value):
            raise UserMistake(f"{where}.{name} = {value!r}: expected an integer")
    if low > high:
        raise UserMistake(f"{where}: low = {low} is more than high = {high}")
    if log and low <= 0:
        raise UserMistake(f"{where}.low = {low}: a logarithm needs a low end above 0")
    if step is not None:
        if log:
            raise UserMistake(f"{where}: step or log, not both")
        steps = (high - low) / step if step > 0 else math.nan
        if not (step > 0 and abs(steps - round(steps)) < 1e-6):
            raise UserMistake(f"{where}.step = {step}: expected a number above 0 that divides high - low")
    return Number(key, low, high, step, log, whole, when=when)


def _text(key: str, value: Any) -> str:
    """A value of YAML as on the command line, with quotes where the grammar needs them."""

    def plain(text: str) -> str:
        try:
            parsed = parse_override(f"{key}={text}")
            if not parsed.is_sweep_override() and parsed.value() == text:
                return text
        except HydraException:
            pass
        return quoted(text)

    return written(value, plain)
