"""Every mutant against its own tests, where those let it pass against all others, and against the short campaigns.

``python -m tests.mutants`` is all of it; a mutant that has to be noticed and is not is a hole in that campaign.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.mutants.campaign import THE_REST, DoesNotApplyError, Mutant, NotRunError, every, failing, noticed, tree


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these mutants")
    names = parser.parse_args().names
    if unknown := {*names} - {mutant.name for mutant in every()}:
        parser.error(f"no mutant {', '.join(sorted(unknown))}; there are: {', '.join(one.name for one in every())}")
    mutants = [mutant for mutant in every() if not names or mutant.name in names]
    began = time.monotonic()
    with tree() as sound:
        wrong = failing(sound, [test for mutant in mutants for test in mutant.tests])
        cries = [one for one in {one: None for mutant in mutants for one in mutant.campaigns} if noticed(sound, one)]
    if wrong is not None or cries:
        print(f"{wrong or cries[0]} fails without any mutant: it catches nothing")
        return 1
    caught = sum([_is_caught(mutant) for mutant in mutants])
    print(f"{caught} of {len(mutants)} mutants caught in {time.monotonic() - began:.0f} s")
    return caught != len(mutants) or not mutants


def _is_caught(mutant: Mutant) -> bool:
    print(f"{mutant.name}: {mutant.says}", flush=True)
    try:
        with tree(mutant) as copy:
            test, unnamed = failing(copy, mutant.tests), ""
            if test is None:
                print("  its own tests let it pass; all others are run", flush=True)
                test, unnamed = failing(copy, THE_REST), ": name it in the patch"
            said = {campaign: noticed(copy, campaign) for campaign in mutant.campaigns}
    except (DoesNotApplyError, NotRunError) as error:
        print(f"  {error}")
        return False
    again = f"SURVIVES. Write the test that catches it, then: python -m tests.mutants {mutant.name}"
    print(f"  caught by {test}{unnamed}" if test is not None else f"  {again}", flush=True)
    for campaign, what in said.items():
        print(
            f"  caught by python -m tests.{campaign}: {what}" if what else f"  {campaign} DOES NOT NOTICE", flush=True
        )
    return test is not None and all(said.values())


if __name__ == "__main__":
    sys.exit(main())
