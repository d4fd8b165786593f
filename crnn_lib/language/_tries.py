"""Words that begin alike share their beginnings: a trie."""

from __future__ import annotations

from collections.abc import Iterable

Trie = list[dict[int, int]]  # of each node, by column: which one follows. ``[{}]`` has no word


def add_word(trie: Trie, columns: Iterable[int]) -> list[int]:
    """Add a word; the nodes that it goes through, from the first, 0, to its end.

    New nodes come last, so children stand after their parents.

    >>> trie = [{}]
    >>> add_word(trie, [5, 2]), add_word(trie, [5, 7]), trie
    ([0, 1, 2], [0, 1, 3], [{5: 1}, {2: 2, 7: 3}, {}, {}])
    """
    way = [0]
    for column in columns:
        after = trie[way[-1]].get(column)
        if after is None:
            after = trie[way[-1]][column] = len(trie)
            trie.append({})
        way.append(after)
    return way
