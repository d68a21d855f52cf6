"""An option that holds one value is given once."""

from __future__ import annotations

from collections import Counter

import click


class Command(click.Command):
    """A command that refuses what click takes without a word: of two values of an option, the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read *args*; a usage error names the options that are repeated."""
        words = list(args)  # it is emptied
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            _, _, seen = self.make_parser(ctx).parse_args(words)
            self._refuse_repetitions(ctx, Counter(param for param in seen if _holds_one_value(param)))
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
