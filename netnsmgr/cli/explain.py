"""``netnsmgr explain``: the documentation of the YAML's fields, from the models themselves."""

from __future__ import annotations

import json

import click


@click.command("explain")
@click.argument("path", default="")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of all kinds, for editors.")
def command(path: str, schema: bool) -> None:
    """Document the field at PATH, such as network-instance.spec.dhcp; without a PATH, list the kinds."""
    from netnsmgr.config import explain

    if schema:
        click.echo(json.dumps(explain.json_schema(), indent=2, ensure_ascii=False))
    else:
        click.echo(explain.explain(path))
