"""What click takes without a word, and nobody means: an option given twice, and hold lists among the sources."""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import click

from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLLOWS: Final = "bulkdelete.follows_holds"
_HOLDS: Final = "--holds"
_STDIN: Final = "-"


class Command(click.Command):
    """A command that refuses an option given twice, and sources that may be hold lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read *args*; a usage error names the options that are repeated, and what may be a source or a hold list."""
        words = list(args)  # it is emptied
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            ctx.meta[_FOLLOWS] = told = _what_follows_a_hold_list(words)
            _, _, seen = self.make_parser(ctx).parse_args(words)
            self._refuse_repetitions(ctx, Counter(param for param in seen if _holds_one_value(param)))
            if told and len(ctx.params.get("sources", ())) > 1:
                ctx.fail(told)
        return rest

    def _refuse_repetitions(self, ctx: click.Context, times: Counter[click.Parameter]) -> None:
        repeated = [" / ".join([*param.opts, *param.secondary_opts]) for param in times if times[param] > 1]
        if repeated:
            ctx.fail(
                f"{', '.join(repeated)} is given twice or more: the last would take the place of those before it, and "
                "add nothing to them. Nothing was sent. Give it once"
            )


def _holds_one_value(param: click.Parameter) -> bool:
    """Return whether *param*, given again, could mean something else."""
    return isinstance(param, click.Option) and not param.multiple and not (param.is_flag and not param.secondary_opts)


def follows_a_hold_list() -> str:
    """Return what to say where a word of the command directly follows a hold list, and may be one; else nothing."""
    ctx = click.get_current_context(silent=True)
    told: str = ctx.meta.get(_FOLLOWS, "") if ctx is not None else ""
    return told


def _what_follows_a_hold_list(words: Sequence[str]) -> str:
    """Return what to say of the words that directly follow a hold list among *words*, if any do."""
    for at, word in enumerate(words):
        behind = [*takewhile(lambda one: one == _STDIN or not one.startswith("-"), words[at + 2 :])]
        if word == _HOLDS and behind:
            names = harmless(f"{words[at + 1]} is followed by {', '.join(behind)}", most=4096)
            return (
                f"{_HOLDS} {names}: as a shell makes several names of one "
                "pattern, these may be hold lists, and would be sources, whose records are deleted. Nothing was "
                f"sent. Put sources before the options; give {_HOLDS} before each hold list, or quote the pattern"
            )
    return ""
