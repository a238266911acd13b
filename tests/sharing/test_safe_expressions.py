"""What a `$` expression may say, and the ways round it that must stay closed."""

import pytest
from monai.bundle import ConfigExpression

from monai_landmarks.sharing.allowed import allowed_in
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.safe_expressions import check_expression

TRAINING = allowed_in("configs/train.yaml")
INFERENCE = allowed_in("configs/inference.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "$@a + '/model.pt'",
        "$@a#b['key'][0] * 0.5 if @c else None",
        "${} if @out_of_scope else bundles.scope_of(@metadata)",
        "$[round(side * @n / max(@size) / 32) * 32 for side in @size]",
        "$any(landmark.pair for landmark in @dataset.scheme.landmarks)",
        "$[y for x in @a if x for y in x if y]",
        "$[[y for y in x] for x in @a]",
        "$torch.device(f'cuda:{dist.get_node_local_rank()}' if torch.cuda.is_available() else 'cpu')",
        "$lambda path=@a + '/history.csv': last_metrics(path)",
        "$type(@loss).__name__",
        "$check_switches(**@switches)",
        "$dist.init_process_group(backend=@backend)",
        "$import torch",
        "$1.0e-3 <= -@x // 2 % 3 and not @y",
    ],
)
def test_what_configs_need_passes(text):
    check_expression(text, TRAINING)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # The ways that come to mind first.
        ("$__import__('os').system('id')", "calls __import__"),
        ("$eval('1')", "calls eval"),
        ("$exec('1')", "calls exec"),
        ("$open('x')", "calls open"),
        ("$getattr(@a, 'b')", "calls getattr"),
        ("$os.system('id')", "calls os.system"),
        ("$subprocess.run('id')", "calls subprocess.run"),
        ("$torch.hub.load('a', 'b')", "calls torch.hub.load"),
        ("$torch.load(@a)", "calls torch.load"),
        ("$np.load(@a)", "calls np.load"),
        ("$monai.bundle.run('x')", "calls monai.bundle.run"),
        # Imports, and what MONAI takes for one.
        ("$import os", "the import 'import os' is not in the list"),
        ("$from os import system", "is not in the list of allowed imports"),
        ("$import torch as check_switches", "is not in the list of allowed imports"),
        ("$import torch; import os", "is not in the list of allowed imports"),
        ("$import torch, os", "is not in the list of allowed imports"),
        # A function handed over instead of called.
        ("$torch.hub.load", "names torch.hub.load"),
        ("$eval", "names eval"),
        ("$str", "names str"),
        ("$@a.unlink", "the attribute unlink"),
        ("$map(eval, @a)", "calls map"),
        # The way through an object's inside.
        ("$().__class__.__base__.__subclasses__()", "the attribute __class__"),
        ("$@a.__class__", "the attribute __class__"),
        ("$type(@a).__subclasses__()", "the method __subclasses__"),
        ("$type('X', (), {})", "type with other than one argument"),
        ("$type(*@a)", "type with other than one argument"),
        ("$@a.__name__", "the attribute __name__"),
        ("$(lambda: 0).__globals__", "the attribute __globals__"),
        ("$'{0.__class__}'.format(@a)", "the method format"),
        ("$f'{1!r}'", "format in an f-string"),
        ("$f'{1:>999999999}'", "format in an f-string"),
        ("$'%999999999d' % 1", "neither repeated nor formatted"),
        # Names hidden by others, so that a listed name means something else.
        ("$[len('x') for len in [@a]]", "must have a new, plain name"),
        ("$(lambda torch=@a: torch.device(1))()", "only a listed name may be called"),
        ("$lambda torch=@a: torch.hub", "must have a new, plain name"),
        ("$[x('id') for x in [@a]]", "only a listed name may be called"),
        # A comprehension's first list is evaluated outside it, where its variable is still the builtin.
        ("$[eval for eval in [eval]][0]", "names eval"),
        ("$[np for np in [np]][0]", "names np"),
        ("$max([open for open in [open]])", "names open"),
        ("$[x for x in [1] for y in [y]]", "names y"),
        ("$[x for x in y for y in [1]]", "names y"),
        ("$[1 for eval in [1]]", "must have a new, plain name"),
        ("$lambda np=1: np", "must have a new, plain name"),
        ("$(x := @a)", "NamedExpr is not allowed"),
        ("$lambda x: x", "must all have a default"),
        ("$lambda *x: x", "must all have a default"),
        ("$@a('id')", "only a listed name may be called"),
        ("$@a['b']('id')", "only a listed name may be called"),
        ("$[@a][0]('id')", "only a listed name may be called"),
        # MONAI's own replacement of references.
        ("$__local_refs", "MONAI's own name"),
        ("$__local_refs['a']", "MONAI's own name"),
        ("$'@a'", "is no single expression"),
        ("$'a#b' + __builtins__", "names __builtins__"),
        # What only costs memory or time.
        ("$9**9**9", "powers and shifts"),
        ("$1 << 999999999", "powers and shifts"),
        ("$[0] * 999999999", "neither repeated nor formatted"),
        ("$'a' * 999999999", "neither repeated nor formatted"),
        ("$99999999999", "a number beyond"),
        ("$" + "(" * 199 + "@a" + ")" * 198, "no single expression"),
        ("$" + "1+" * 300 + "1", "one line of at most"),
        # Texts that look like others.
        ("$\uff45val('1')", "plain characters"),
        ("$1\n+eval('1')", "plain characters"),
        ("$ev\u200bal('1')", "plain characters"),
        # Statements.
        ("$x = 1", "is no single expression"),
        ("$del x", "is no single expression"),
        ("$1; 2", "is no single expression"),
        ("$(yield)", "Yield is not allowed"),
        ("$await @a", "is no single expression|Await is not allowed"),
        ("$b'x'", "the literal b'x'"),
        ("$...", "the literal Ellipsis"),
        ("$@a @ @b", "is no single expression|MatMult"),
        # An address would take pickles from another computer.
        ("$dist.init_process_group('gloo', init_method='tcp://a:1')", "may be called with backend alone"),
        ("$dist.init_process_group(**@a)", "may be called with backend alone"),
    ],
)
def test_everything_else_is_refused(text, reason):
    with pytest.raises(BundleError, match=reason):
        check_expression(text, TRAINING)


@pytest.mark.parametrize("text", ["$load_dataset(@a)", "$torch.channels_last", "$from pathlib import Path", "$@a.fine"])
def test_inference_may_use_less_than_training(text):
    check_expression(text, TRAINING)
    with pytest.raises(BundleError, match="list of allowed"):
        check_expression(text, INFERENCE)


def test_what_is_judged_is_what_monai_evaluates():
    """A reference inside a text closes the text early; judged as written it would be a harmless constant."""
    text = "$'@a' + eval('1') + '@b'"
    with pytest.raises(BundleError):
        check_expression(text, TRAINING)
    assert ConfigExpression.is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "$str(@x) * 1000000000", "$1000000000 * str(1)", "$@x * 1000000000", "$@x * @y", "$max(@x) * 1000",
        "$(@x + @y) * 1000", "$@x['a'] * 9", "$[@x][0] * 9", "$(@x if @y else 1) * 9", "$@x % 1", "$str(@x) % @y",
        "$(@x * @y) * 0.5", "$[side * 2 for side in @x]", "$(@x or 'a') * 9", "$int(@x) * @y", "$@x * (1 + @y)",
        "$float(@x * 1000000000)", "$len(@x * 1000000000)",
    ],
)  # fmt: skip
def test_what_inference_multiplies_shows_that_it_is_no_text(text):
    """A text repeated a thousand million times is a gigabyte."""
    with pytest.raises(BundleError, match=r"only numbers are multiplied here|only a number has a remainder"):
        check_expression(text, INFERENCE)


@pytest.mark.parametrize(
    "text",
    [
        "$2 * int(0.75 * @x)", "$float(@x) * @y", "$@x * 0.5", "$len(@x) % @y", "$-@x * 3", "$(@x - 1) * 2",
        "$round(@x / 32) * 32", "$@x * (@y / 2)", "$(1.0 + @x) * @y", "$(int(@x) + 1) * 2", "$int(@x) // 2 % 3",
        "$@a + '/model.pt'",
    ],
)  # fmt: skip
def test_numbers_are_multiplied(text):
    check_expression(text, INFERENCE)
