"""Rings in a graph: points that lead to one another and so back to themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

P = TypeVar("P", bound=Hashable)


def rings(edges: Mapping[P, Sequence[P]]) -> Iterator[list[P]]:
    """A shortest ring through the first point of each knot, a set of points that all lead to one another."""
    places = {point: place for place, point in enumerate(edges)}
    for knot in knots(edges):
        first = min(knot, key=places.__getitem__) if len(knot) > 1 else next(iter(knot))
        ring = _ring_through(first, knot, edges)
        if ring:
            yield ring


def knots(edges: Mapping[P, Sequence[P]]) -> list[set[P]]:
    """The strongly connected components, by Tarjan's algorithm without recursion: waits may be thousands deep."""
    found: list[set[P]] = []
    order: dict[P, int] = {}
    low: dict[P, int] = {}
    path: list[P] = []
    on_path: set[P] = set()
    for start in edges:
        if start in order:
            continue
        work = [(start, iter(edges[start]))]
        order[start] = low[start] = len(order)
        path.append(start)
        on_path.add(start)
        while work:
            point, others = work[-1]
            for other in others:
                if other not in order:
                    order[other] = low[other] = len(order)
                    path.append(other)
                    on_path.add(other)
                    work.append((other, iter(edges.get(other, ()))))
                    break
                if other in on_path:
                    low[point] = min(low[point], order[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[point])
                if low[point] == order[point]:
                    knot: set[P] = set()
                    while point not in knot:
                        knot.add(path.pop())
                    on_path -= knot
                    found.append(knot)
    return found


def _ring_through(first: P, knot: set[P], edges: Mapping[P, Sequence[P]]) -> list[P]:
    """A shortest way from a point back to it, inside its knot; empty if there is none."""
    before: dict[P, P] = {}
    todo = deque([first])
    while todo:
        point = todo.popleft()
        for other in edges.get(point, ()):
            if other == first:
                ring = [point]
                while ring[-1] != first:
                    ring.append(before[ring[-1]])
                return ring[::-1]
            if other in knot and other not in before:
                before[other] = point
                todo.append(other)
    return []
