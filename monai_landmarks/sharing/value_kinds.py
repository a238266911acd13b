"""What an expression's value can be, told from its syntax alone: a few characters can repeat a text without bound."""

from __future__ import annotations

import ast

# They give a number, or fail.
NUMBER_CALLS = ("float", "int", "len", "round")


def is_number(node: ast.expr) -> bool:
    """Whether a value is no text, list or other sequence, whatever the references in it stand for."""
    match node:
        case ast.Constant(value=value):
            return not isinstance(value, str)
        case ast.UnaryOp() | ast.Compare() | ast.BinOp(op=ast.Sub() | ast.Div() | ast.FloorDiv()):
            # Nothing that can be repeated takes part in these.
            return True
        case ast.BinOp(op=ast.Add() | ast.Mult() | ast.Mod(), left=left, right=right):
            return is_fraction(left) or is_fraction(right) or (is_number(left) and is_number(right))
        case ast.Call(func=ast.Name(id=name)):
            return name in NUMBER_CALLS
    return False


def is_fraction(node: ast.expr) -> bool:
    """Whether a value is neither a sequence nor a whole number, so that it can repeat nothing."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, float)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return is_fraction(operand)
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult(), left=left, right=right):
            return is_fraction(left) or is_fraction(right)
        case ast.Call(func=ast.Name(id="float")):
            return True
    return False
