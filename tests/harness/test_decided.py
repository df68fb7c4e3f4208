"""Where it was decided: the shares are counted again here, schedule by schedule, in another way."""
from __future__ import annotations

import pytest
from explorations import explored
from harness.explore.decided import decided


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return explored(tmp_path_factory, "1", skip=True)


def test_the_shares_are_those_of_the_schedules_that_go_alike(report):
    for n in range(len(report.groups)):
        found = decided(report, n)
        turn_of = dict(found.tried.came)
        for share in found.shares:
            turn = turn_of[share.seq]
            mine = {one for one in found.tried.turns if one[1] <= turn}
            alike = [sum({one for one in other.turns if one[1] <= turn} == mine for other in group) for group in report.groups]
            assert list(share.counts) == alike


def test_an_ending_is_certain_from_the_first_line_on_behind_which_all_end_so(report):
    assert len(report.groups) == 2
    for n in range(2):
        found = decided(report, n)
        assert found.lines and 0 < found.otherwise < found.before
        first = min(line.seq for line in found.lines)
        for share in found.shares:
            others = sum(share.counts) - share.counts[n]
            assert (others == 0) == (share.seq >= first) and share.counts[n] > 0


def test_one_outcome_is_certain_from_the_beginning(tmp_path_factory):
    found = decided(explored(tmp_path_factory, "2", skip=True), 0)
    assert found.lines == () and all(sum(share.counts) == share.counts[0] for share in found.shares)
