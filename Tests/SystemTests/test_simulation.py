"""Histories in a simulated machine that loses its power: some fixed ones, some that nobody has seen before."""

import random
import re
import subprocess

from conftest import EXECUTABLE

FIXED = 120
# With the fixed ones, which take about one, five minutes.
FRESH_SECONDS = 240
PROFILES = (
    "calm", "slow", "cores", "long", "brief", "shared", "wrap", "tiny", "network", "full", "sparse", "poor",
    "failing", "rotten")


def simulate(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([EXECUTABLE, "simulate", *arguments], capture_output=True, text=True, timeout=900)


def sweep(first: int, count: int, *arguments: str) -> None:
    result = simulate("--seeds", f"{first}..{first + count - 1}", *arguments)
    print(result.stdout.splitlines()[-1])
    assert result.returncode == 0, result.stdout


def digest(result: subprocess.CompletedProcess) -> str:
    return re.search(r"digest ([0-9a-f]+)", result.stdout)[1]


def test_fixed_seeds_pass():
    sweep(1, FIXED)


def fresh() -> int:
    """Where seeds begin that nobody has seen: another place for every state of the tree, and the same for all who test that one,
    so that a failure can be had again before it is understood."""
    try:
        tree = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], capture_output=True, text=True, check=True).stdout
        return (1 << 32) + int(tree[:15], 16)
    except (OSError, subprocess.CalledProcessError):
        return random.randrange(1 << 32, 1 << 60)


def test_fresh_seeds_pass():
    first = fresh()
    print(f"fresh seeds from {first} on")
    for profile in PROFILES:
        print(f"profile {profile}")
        sweep(first, 1_000_000, "--profile", profile, "--seconds", str(FRESH_SECONDS // len(PROFILES)))


def test_a_seed_is_a_history():
    one, same, other = simulate("--seed", "1"), simulate("--seed", "1"), simulate("--seed", "9")
    assert one.returncode == same.returncode == other.returncode == 0
    assert one.stdout == same.stdout
    assert digest(one) != digest(other)


def test_a_history_is_the_same_whoever_asks_for_it(tmp_path):
    """Undo that has moved to temporary blocks holds addresses: where things lie must not depend on what the process was given."""
    seed = ("--seed", "3000547", "--profile", "full")
    path = tmp_path / ("a" * 100)
    path.symlink_to(EXECUTABLE)
    ask = ["bash", "-c", 'ulimit -s 65536; exec "$0" simulate "$@"', path, *seed]
    other = subprocess.run(
        ask, capture_output=True, text=True, timeout=900, cwd=tmp_path, env={"PATH": "/bin", "PADDING": "x" * 3000})
    one = simulate(*seed)
    assert one.returncode == 0 and one.stdout == other.stdout


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
