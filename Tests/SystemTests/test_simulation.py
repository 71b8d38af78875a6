"""Histories in a simulated machine that loses its power: some fixed ones, some that nobody has seen before."""

import random
import re
import subprocess

from conftest import EXECUTABLE

FIXED = 10
FRESH_SECONDS = 90


def simulate(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([EXECUTABLE, "simulate", *arguments], capture_output=True, text=True, timeout=600)


def digest(result: subprocess.CompletedProcess) -> str:
    return re.search(r"digest ([0-9a-f]+)", result.stdout)[1]


def test_fixed_seeds_pass():
    result = simulate("--seeds", f"1..{FIXED}")
    assert result.returncode == 0, result.stdout
    assert f"{FIXED} seeds passed" in result.stdout


def test_fresh_seeds_pass():
    first = random.randrange(1 << 32, 1 << 62)
    print(f"fresh seeds from {first} on")
    result = simulate("--seeds", f"{first}..{first + 100_000}", "--seconds", str(FRESH_SECONDS))
    assert result.returncode == 0, f"fresh seeds from {first} on: {result.stdout}"


def test_a_seed_is_a_history():
    one, same, other = simulate("--seed", "1"), simulate("--seed", "1"), simulate("--seed", "9")
    assert one.returncode == same.returncode == other.returncode == 0
    assert one.stdout == same.stdout
    assert digest(one) != digest(other)


def test_a_disk_that_lies_about_flushing_is_caught():
    """The oracles can fail: no engine keeps its promises on such a disk."""
    results = [simulate("--seed", str(seed), "--profile", "lying") for seed in range(1, 6)]
    assert any(result.returncode == 1 and "FAILED: " in result.stdout for result in results), [
        result.stdout for result in results]


def test_wrong_arguments_are_refused():
    assert simulate().returncode != 0
    assert simulate("--seed", "1", "--seeds", "1..2").returncode != 0
    assert simulate("--seeds", "9..2").returncode != 0
    result = simulate("--seed", "1", "--profile", "sunny")
    assert result.returncode != 0 and 'there is no profile "sunny"' in result.stderr, result.stderr
