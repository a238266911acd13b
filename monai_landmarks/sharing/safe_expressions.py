"""Judging a config's `$` expression by its syntax tree, without evaluating it.

MONAI replaces references and then calls `eval`. The same replacement is done here, with MONAI's own function, so that
what is judged is what would be evaluated.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from monai_landmarks.sharing.allowed import Allowed
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.value_kinds import is_fraction, is_number

REFERENCES = "__local_refs"
MAX_LENGTH = 400
MAX_NUMBER = 10**9
PLAIN = (
    ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt,
    ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn, ast.IfExp, ast.Slice, ast.Subscript, ast.Load,
    ast.ListComp, ast.GeneratorExp, ast.comprehension, ast.keyword, ast.Starred, ast.JoinedStr,
)  # fmt: skip


class _AnyReference(dict[str, Any]):
    """Every id is known: whether it exists is for MONAI to say."""

    def __contains__(self, key: object) -> bool:
        return True


def check_expression(text: str, allowed: Allowed) -> None:
    """Accept references, literals, arithmetic, comparisons, conditionals, comprehensions and listed names and calls.

    Args:
        text: the config's value, with its "$".
        allowed: the lists.

    Raises:
        BundleError: anything else; the message says what, not where.
    """
    if not text.isascii() or not text.isprintable() or len(text) > MAX_LENGTH:
        raise BundleError(f"an expression must be one line of at most {MAX_LENGTH} plain characters")
    if REFERENCES in text:
        raise BundleError(f"{REFERENCES} is MONAI's own name")
    if is_import(text):
        if text[1:] not in allowed.imports:
            raise BundleError(f"the import {text[1:]!r} is not in the list of allowed imports")
        return
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BundleError(f"{text!r} is no single expression") from None
    _Judge(allowed).judge(tree, frozenset())


def parsed(text: str) -> ast.expr:
    """The tree of an expression, with its "$", after MONAI's replacement of references."""
    return ast.parse(ReferenceResolver.update_refs_pattern(text, _AnyReference())[1:], mode="eval").body


def _dumped(call: str) -> str:
    return ast.dump(parsed(f"${call}"))


def is_import(text: str) -> bool:
    """Whether MONAI takes an expression for an import: it looks at the first statement alone."""
    try:
        body = ast.parse(text[1:]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(body) and isinstance(body[0], ast.Import | ast.ImportFrom)


class _Judge:
    """Walks a tree; `bound` are the names comprehensions and lambdas around a node have given a meaning."""

    def __init__(self, allowed: Allowed) -> None:
        self.allowed = allowed

    def judge(self, node: ast.AST, bound: frozenset[str]) -> None:
        """Raise BundleError unless the node and all below it are allowed."""
        special = getattr(self, f"judge_{type(node).__name__}", None)
        if special is not None:
            special(node, bound)
        elif isinstance(node, PLAIN):
            self.below(node, bound)
        elif isinstance(node, ast.Pow | ast.LShift):
            raise BundleError("powers and shifts are refused: a few characters can ask for any amount of memory")
        else:
            raise BundleError(f"{type(node).__name__} is not allowed in an expression")

    def below(self, node: ast.AST, bound: frozenset[str]) -> None:
        """Judge a node's parts."""
        for child in ast.iter_child_nodes(node):
            self.judge(child, bound)

    def judge_Constant(self, node: ast.Constant, bound: frozenset[str]) -> None:
        """Texts, numbers of reasonable size, True, False, None."""
        if not isinstance(node.value, str | int | float | None):
            raise BundleError(f"the literal {node.value!r} is not allowed")
        if isinstance(node.value, int) and abs(node.value) > MAX_NUMBER:
            raise BundleError(f"a number beyond {MAX_NUMBER} is not allowed")

    def judge_BinOp(self, node: ast.BinOp, bound: frozenset[str]) -> None:
        """Arithmetic; % formats a text and * repeats it, which numbers alone may ask for."""
        if isinstance(node.op, ast.Mod | ast.Mult):
            for side in (node.left, node.right):
                if isinstance(side, ast.List | ast.Tuple | ast.JoinedStr) or _is_text(side):
                    raise BundleError("a text or a list is neither repeated nor formatted here")
        if self.allowed.numbers_shown:
            self.judge_numbers(node)
        self.below(node, bound)

    def judge_numbers(self, node: ast.BinOp) -> None:
        """A reference, or str(...), may be a text too; what is multiplied must show that it is not."""
        numbers = is_number(node.left), is_number(node.right)
        if isinstance(node.op, ast.Mult) and not (all(numbers) or is_fraction(node.left) or is_fraction(node.right)):
            raise BundleError("only numbers are multiplied here, a text could grow; write float(...) * ...")
        if isinstance(node.op, ast.Mod) and not numbers[0]:
            raise BundleError("only a number has a remainder here, of a text % is a format; write int(...) % ...")

    def judge_Name(self, node: ast.Name, bound: frozenset[str]) -> None:
        """A variable of this expression, or a listed value."""
        if node.id not in bound:
            self.listed(node.id, self.allowed.values, "names")

    def judge_Attribute(self, node: ast.Attribute, bound: frozenset[str]) -> None:
        """A listed dotted name, or a listed attribute of something allowed."""
        name = _dotted(node, bound)
        if name is not None:
            self.listed(name, self.allowed.values, "names")
            return
        self.judge(node.value, bound)
        own = node.attr == "__name__" and isinstance(node.value, ast.Call) and _dotted(node.value.func, bound) == "type"
        if not own and node.attr not in self.allowed.attributes:
            raise BundleError(f"the attribute {node.attr} is not in the list of allowed attributes")

    def judge_Call(self, node: ast.Call, bound: frozenset[str]) -> None:
        """A call of a listed name, or of a listed method of something allowed."""
        name = _dotted(node.func, bound)
        if name is not None:
            self.listed(name, self.allowed.calls, "calls")
        elif isinstance(node.func, ast.Attribute):
            self.judge(node.func.value, bound)
            if node.func.attr not in self.allowed.methods:
                raise BundleError(f"the method {node.func.attr} is not in the list of allowed methods")
        else:
            raise BundleError("only a listed name may be called")
        self.judge_arguments(name, node)
        for argument in (*node.args, *node.keywords):
            self.judge(argument, bound)

    def judge_arguments(self, name: str | None, node: ast.Call) -> None:
        """Some calls are harmless with certain arguments alone."""
        if name == "type" and (len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred)):
            raise BundleError("type with other than one argument makes a class")
        forms = self.allowed.whole_calls.get(name or "")
        if forms is not None and ast.dump(node) not in map(_dumped, forms):
            raise BundleError(f"{name} opens files, so it must be written {' or '.join(forms)} in a bundle")
        given = self.allowed.arguments.get(name or "")
        if given is not None and (node.args or any(keyword.arg not in given for keyword in node.keywords)):
            raise BundleError(f"{name} may be called with {', '.join(given)} alone")

    def judge_Subscript(self, node: ast.Subscript, bound: frozenset[str]) -> None:
        """MONAI's form of a reference, or an index."""
        reference = isinstance(node.value, ast.Name) and node.value.id == REFERENCES
        if not reference:
            self.below(node, bound)
        elif not _is_text(node.slice):
            raise BundleError(f"{REFERENCES} is MONAI's own name")

    def judge_FormattedValue(self, node: ast.FormattedValue, bound: frozenset[str]) -> None:
        """{value} in an f-string, without a format."""
        if node.format_spec is not None or node.conversion != -1:
            raise BundleError("a format in an f-string is not allowed")
        self.judge(node.value, bound)

    def judge_ListComp(self, node: ast.ListComp | ast.GeneratorExp, bound: frozenset[str]) -> None:
        """A comprehension; a variable has a meaning only after its `for`: the last x of `[x for x in x]` is another."""
        for generator in node.generators:
            if generator.is_async:
                raise BundleError("async is not allowed in an expression")
            self.judge(generator.iter, bound)
            bound |= {self.variable(generator.target)}
            for condition in generator.ifs:
                self.judge(condition, bound)
        self.judge(node.elt, bound)

    judge_GeneratorExp = judge_ListComp

    def judge_Lambda(self, node: ast.Lambda, bound: frozenset[str]) -> None:
        """A function of values the expression itself gives (`lambda path=@a: f(path)`): it takes none from outside."""
        given = node.args
        if (
            given.posonlyargs
            or given.kwonlyargs
            or given.vararg
            or given.kwarg
            or len(given.defaults) < len(given.args)
        ):
            raise BundleError("a lambda's arguments must all have a default and nothing else")
        for default in given.defaults:
            self.judge(default, bound)
        self.judge(node.body, bound | {self.variable(ast.Name(argument.arg)) for argument in given.args})

    def variable(self, target: ast.expr) -> str:
        """The name of a variable; it may hide nothing."""
        taken = self.allowed.roots | vars(builtins).keys() | ConfigParser().globals.keys()
        if not isinstance(target, ast.Name) or target.id.startswith("_") or target.id in taken:
            raise BundleError("a variable must have a new, plain name")
        return target.id

    def listed(self, name: str, names: frozenset[str], verb: str) -> None:
        """Refuse a name that is not in its list."""
        if name not in names:
            raise BundleError(f"the expression {verb} {name}, which is not in the list of allowed {verb}")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _dotted(node: ast.expr, bound: frozenset[str]) -> str | None:
    """`torch.hub.load` as a text; None for what does not start at a name from outside the expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id in bound or node.id == REFERENCES:
        return None
    return ".".join([node.id, *reversed(parts)])
