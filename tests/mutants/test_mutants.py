"""Each mistake that people make is caught by the test that is named with it, and noticed by a campaign.

Here one is tried against a campaign too; ``python -m tests.mutants`` tries each against all that are named with it.
"""

from __future__ import annotations

import pytest

from tests.mutants.campaign import FOLDER, DoesNotApplyError, Mutant, NotRunError, every, failing, noticed, tree

MUTANTS = every()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_a_test_that_is_named_with_it(mutant):
    with tree(mutant) as copy:
        assert failing(copy, mutant.tests) is not None, f"{mutant.name} survives its tests: {mutant.says}"


def test_a_mutant_is_noticed_by_a_campaign_that_is_named_with_it():
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "result_before_send")
    with tree(mutant) as copy:
        assert noticed(copy, mutant.campaigns[0]) is not None


@pytest.mark.campaign  # the suite runs these tests anyway
def test_what_catches_mutants_passes_without_one():
    with tree() as copy:
        assert failing(copy, [test for mutant in MUTANTS for test in mutant.tests]) is None
        assert [one for mutant in MUTANTS for one in mutant.campaigns if noticed(copy, one)] == []


def test_the_mutants_are_all_that_were_asked_for():
    assert {mutant.name for mutant in MUTANTS} >= {
        "result_before_send",
        "no_row_count_check",
        "synchronous_normal",
        "shared_retrying",
        "retry_on_cancellation",
        "code_of_any_type",
        "holds_at_first_cut_only",
        "singleton_inferred",
        "digest_of_sent_records",
    }


def test_a_patch_that_the_tree_has_outgrown_is_told_by_its_name(tmp_path):
    patch = tmp_path / "old.patch"
    patch.write_text((FOLDER / "code_of_any_type.patch").read_text().replace("type(code)", "kind(code)"))
    with pytest.raises(DoesNotApplyError, match=r"old\.patch does not apply any more"), tree(Mutant(patch, "old", ())):
        pass


def test_a_test_that_is_not_there_catches_nothing(tmp_path):
    with tree() as copy, pytest.raises(NotRunError, match="cannot be run"):
        failing(copy, ["tests/unit/test_protocol.py::test_of_nothing"])


def test_a_campaign_that_cannot_be_run_notices_nothing():
    with tree() as copy, pytest.raises(NotRunError, match="cannot be run"):
        noticed(copy, "simulation --no-such-option")
