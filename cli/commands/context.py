"""`prime context TEXT`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, as_of, at_option, open_store, option

EXAMPLES = ['prime context "who works on auth?"', "prime context auth --max-tokens 200 --json"]


@click.command("context", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("query", type=TEXT, metavar="TEXT")
@option("context", "max_tokens")
@option("context", "depth")
@option("context", "type")
@option("context", "domain")
@option("context", "conversation")
@at_option
@click.pass_obj
def command(settings: Settings, /, query: str, when: Any, **how: Any) -> None:
    """Print what is known about a question, as a Markdown block for a prompt.

    Tokens are estimated: one for three bytes. What stands in the fence is data.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        found = as_of(prime, when).context(query, **how)
    if settings.json:
        render.record(settings, shapes.context(query, found))
    elif found.markdown:
        render.write(found.markdown)
    else:
        render.remark(f"nothing fits into {how['max_tokens']:,} tokens")
