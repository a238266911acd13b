"""`monai-landmarks verify`: is this bundle whole, whose is it, is it safe, does it work here?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="A bundle as monai-landmarks pack wrote it.")],
    key: Annotated[
        Path | None, typer.Option(help="The signer's public key (PEM), which has come another way than the bundle.")
    ] = None,
) -> None:
    """Check a packed bundle: archive, manifest, signature, configs, metadata, versions, weights, network, self-test.

    An exported model.onnx is compared with the weights. Models are run only after all else is found well. The exit
    status is 1 when a check fails.
    """
    from monai_landmarks.sharing.verify import verify_bundle

    failed = left_out = 0
    for check in verify_bundle(file, key):
        failed += check.state == "failed"
        left_out += check.state == "not run"
        typer.echo(f"{check.state:8}{check.name:10} {check.text}".rstrip())
    if failed:
        typer.echo(f"{file}: do not use it, {failed} of its checks failed", err=True)
        raise typer.Exit(1)
    typer.echo(f"{file}: {'no check failed, one was not run' if left_out else 'all checks passed'}")
