"""Orders and seeds: decided by the seed and the position, whole, different where they must be."""

import itertools

from gem_backend.order import derived_seed, endless_batches, shuffled_batches


def test_every_item_comes_once_and_the_last_batch_may_be_smaller():
    batches = list(shuffled_batches(range(10), 4, "a"))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(itertools.chain.from_iterable(batches)) == list(range(10))


def test_the_seed_alone_decides_the_order():
    assert list(shuffled_batches(range(50), 7, "a")) == list(shuffled_batches(range(50), 7, "a"))
    assert list(shuffled_batches(range(50), 7, "a")) != list(shuffled_batches(range(50), 7, "b"))


def test_endless_batches_pass_over_everything_each_time_in_another_order():
    batches = list(itertools.islice(endless_batches(range(20), 10, "a"), 4))
    first, second = [*batches[0], *batches[1]], [*batches[2], *batches[3]]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_each_phase_and_index_has_a_seed_of_its_own_and_keeps_it():
    places = list(itertools.product((0, 1), ("sft", "sega", "sampling"), range(20)))
    seeds = [derived_seed(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derived_seed(7, "sft", 3) == derived_seed(7, "sft", 3)
