"""Calling verbs as a user types them."""

import pytest
import typer
from typer.testing import CliRunner


@pytest.fixture
def caller():
    """A function: modules of verbs -> a function that runs what is typed, and fails unless it ends as expected."""

    def of(*verbs):
        app = typer.Typer()
        for verb in verbs:
            verb.register(app)

        def call(*arguments, error=None):
            result = CliRunner().invoke(app, [str(a) for a in arguments])
            if error is None:
                assert result.exit_code == 0, result.output + repr(result.exception)
            else:
                assert isinstance(result.exception, error), result.output
            return result

        return call

    return of
