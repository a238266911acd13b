"""What landmarks, groups and measurements may be called: their names are cells of tables that people open."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

# A cell that begins with one of these, the full-width ones too, is a formula to a spreadsheet, which then runs it.
FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")


def name_fault(name: str) -> str | None:
    """What is wrong with a name, and the remedy; None for a good one."""
    begin = name.lstrip()[:1]
    if not begin:
        return "a name is empty; give one"
    if begin in FORMULA:
        return f"the name {name!r} begins with {begin!r}, which a spreadsheet takes for a formula; choose another"
    if not name.isprintable():
        return f"the name {name!r} holds a line break or a control character; leave that out"
    return None


def _checked(name: str) -> str:
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


Name = Annotated[str, AfterValidator(_checked), Field(json_schema_extra={"minLength": 1})]
