"""`monai-landmarks keygen`: a pair of keys to sign bundles with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("keygen")(keygen)


def keygen(
    name: Annotated[Path, typer.Argument(help="Writes NAME.key.pem (private) and NAME.pub.pem (public).")],
) -> None:
    """Make a pair of Ed25519 keys: sign bundles with the private one, give the public one to those who receive them."""
    from monai_landmarks.sharing.signing import fingerprint, make_keys, read_public

    private, public = make_keys(name)
    typer.echo(f"{private}: keep it to yourself; who has it can sign in your name")
    typer.echo(f"{public}: give it to your collaborators, another way than the bundles")
    typer.echo(f"fingerprint {fingerprint(read_public(public))}")
