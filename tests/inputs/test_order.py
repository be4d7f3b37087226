from __future__ import annotations

import numpy as np
import pytest

from electra_cli.inputs import order


@pytest.mark.parametrize("examples", [1, 2, 5, 17, 1000, 4097])
def test_every_epoch_visits_every_example_once(examples: int) -> None:
    positions = np.arange(3 * examples)
    visited = order.examples_at(positions, examples=examples, seed=3).reshape(3, examples)
    for epoch in visited:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(examples))


def test_epochs_and_seeds_differ() -> None:
    first, second = order.examples_at(np.arange(200), examples=100, seed=0).reshape(2, 100)
    other = order.examples_at(np.arange(100), examples=100, seed=1)
    assert (first != second).any()
    assert (first != other).any()


def test_any_position_can_be_computed_alone() -> None:
    together = order.examples_at(np.arange(500), examples=120, seed=7)
    alone = [order.examples_at(np.array([i]), examples=120, seed=7)[0] for i in (0, 119, 120, 499)]
    assert alone == [together[i] for i in (0, 119, 120, 499)]


def test_neighbours_are_scattered() -> None:
    visited = order.examples_at(np.arange(10_000), examples=10_000, seed=0)
    correlation = np.corrcoef(visited, np.arange(10_000))[0, 1]
    steps = np.corrcoef(visited[:-1], visited[1:])[0, 1]
    assert abs(correlation) < 0.04  # four standard deviations of 10,000 independent pairs
    assert abs(steps) < 0.04
