"""pgbench 15, unmodified: initialise, run in every query mode, and the books balance."""

import re

import pytest


@pytest.fixture(scope="module")
def bank(module_server):
    result = module_server.client("pgbench", "-i", "-s", "1", "-q")
    assert result.returncode == 0, result.stderr
    return module_server


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_tpcb_like_balances(bank, mode):
    result = bank.client("pgbench", "-n", "-c", "8", "-j", "2", "-T", "3", "-M", mode)
    assert result.returncode == 0, result.stderr
    assert int(re.search(r"number of transactions actually processed: (\d+)", result.stdout)[1]) > 0
    assert "number of failed transactions: 0" in result.stdout
    with bank.connect() as connection:
        sums = connection.execute(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches),"
            " (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(delta) FROM pgbench_history)").fetchone()
    assert len(set(sums)) == 1, sums


def test_select_only_with_vacuum(bank):
    result = bank.client("pgbench", "-S", "-c", "4", "-T", "2", "-M", "prepared")
    assert result.returncode == 0, result.stderr
    assert "number of failed transactions: 0" in result.stdout
