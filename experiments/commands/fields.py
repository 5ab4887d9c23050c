"""Options made from the fields of a dataclass, with its texts, defaults and declared bounds in the help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import tyro
from tyro.constructors import MISSING_NONPROP, ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from benchmark_api.bounds import Limit, limits
from benchmark_api.commands.options import OPTIONS


@dataclass(frozen=True)
class FieldOptions:
    """Options for the fields of a dataclass, whose values are checked when the dataclass is made.

    Attributes:
        fields_of: the dataclass.
        defaults: defaults that depend on the dataset, as text by field; None stands for such a default.
        given: values by field, without those defaults.
    """

    fields_of: type
    defaults: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)


@OPTIONS.struct_rule
def field_options(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Return the options of `FieldOptions`, with declared bounds in the help; None for any other type."""
    if info.type is not FieldOptions:
        return None
    fields_of, defaults = info.default.fields_of, info.default.defaults
    spec = ConstructorRegistry.get_struct_spec(StructTypeInfo.make(fields_of, MISSING_NONPROP, False))
    assert isinstance(spec, StructConstructorSpec)
    bounds = limits(fields_of)

    def options(**values: Any) -> FieldOptions:
        given = {name: value for name, value in values.items() if value is not None or name not in defaults}
        return FieldOptions(fields_of, defaults, given)

    fields = (_option(each, bounds.get(each.name), defaults.get(each.name)) for each in spec.fields)
    return StructConstructorSpec(options, tuple(fields))


def _option(option: StructFieldSpec, limit: Limit | None, default: str | None) -> StructFieldSpec:
    """Return an option whose help has its bound and, in place of its default, the text of one that depends on the dataset."""
    if limit and limit.bound:
        text = option.helptext() if callable(option.helptext) else option.helptext
        option = replace(option, helptext=f"{text or ''} {'Each must' if limit.each else 'Must'} be {limit}.".strip())
    if default is None:
        return option
    shown = tyro.conf.arg(help_behavior_hint=f"(default: {default})")
    kind: Any = Annotated[option.type | None, tyro.conf.DisallowNone, shown]
    return replace(option, type=kind, default=None)
