"""Compiled walks over the trie of a beam, where a parent has a lower number than its children."""

from __future__ import annotations

from crnn_lib.decoders._compiled.jit import compiled

GIVEN_UP, PASSED, KEPT, HELD = 0, 1, 2, 3  # what a node is to a beam; see ``mark_nodes``


@compiled
def common_node(trie, nodes, flags):
    """The node that all of some nodes come from. ``flags`` has a zero for each node of the trie."""
    active, highest = 0, 0
    for node in nodes:
        active += flags[node] == 0
        flags[node] = 1
        highest = max(highest, node)
    for node in range(highest, 0, -1):
        if flags[node] == 1:
            if active == 1:
                return node
            above = trie[0, node]
            active -= flags[above]
            flags[above] = 1
    return 0


@compiled
def mark_nodes(trie, nodes, root, flags):
    """What the nodes of a trie are to a beam whose ``nodes`` all come from a root: ``flags``.

    A beam may come back to what is behind a node that it holds (HELD), so that is KEPT. Of what is
    before, it is enough to know where ways part. What only leads there is PASSED, all else is
    GIVEN_UP, as all are in the beginning.
    """
    flags[root] = KEPT
    for node in nodes:
        k = node
        while flags[k] == GIVEN_UP:
            flags[k] = PASSED
            k = trie[0, k]
        flags[k] = KEPT  # two ways come together, or it is in the beam
    for node in nodes:
        flags[node] = HELD
    for node in nodes:
        k = node
        while k != root and (k == node or flags[k] != HELD):
            k = trie[0, k]
        if flags[k] == HELD:
            while node != k:
                flags[node] = max(flags[node], KEPT)
                node = trie[0, node]


@compiled
def climb(trie, node, ends, found):
    """Classes and frames from a node up to where ``ends`` is true: that node, and how many.

    They are written to ``found`` (2, N), the last one first.
    """
    size = 0
    while not ends[node]:
        found[0, size], found[1, size] = trie[1, node], trie[4, node]
        node = trie[0, node]
        size += 1
    return node, size
