import random
from itertools import combinations

import pytest

from bench.report.figures.labels import Box, place_labels


def test_a_label_is_beside_its_anchor():
    (box,) = place_labels([(1.0, 1.0)], [(0.5, 0.1)], (3.0, 2.0), [[Box(0.95, 0.95, 0.1, 0.1)]])
    # Above or below, where its middle is nearer than at a side
    assert (box.width, box.height) == (0.5, 0.1)
    assert box.left == pytest.approx(0.75)
    assert box.bottom in (pytest.approx(0.85), pytest.approx(1.05))


def test_what_has_no_room_has_no_place_labels():
    assert place_labels([(1.0, 1.0)], [(3.5, 0.1)], (3.0, 2.0)) == [None]
    first, second = place_labels([(0.2, 0.2)] * 2, [(0.9, 0.9)] * 2, (1.0, 1.0))
    assert (first is None, second is None) == (False, True)


def test_what_is_to_be_avoided_last_is_given_up_first():
    below, above = Box(0.0, 0.0, 1.0, 0.5), Box(0.0, 0.5, 1.0, 0.5)
    for avoid, bottom in (([[below], [above]], 0.5), ([[above], [below]], 0.0)):
        (box,) = place_labels([(0.5, 0.5)], [(1.0, 0.5)], (1.0, 1.0), avoid)
        assert box.bottom == pytest.approx(bottom)


def test_labels_are_over_nothing_and_inside():
    chance = random.Random(3)
    for _ in range(50):
        anchors = [(chance.uniform(0, 3), chance.uniform(0, 2)) for _ in range(12)]
        sizes = [(chance.uniform(0.2, 0.9), chance.choice([0.12, 0.22])) for _ in anchors]
        taken = [Box(x - 0.05, y - 0.05, 0.1, 0.1) for x, y in anchors]
        boxes = place_labels(anchors, sizes, (3.0, 2.0), [taken])
        assert None not in boxes
        for one, other in combinations([*boxes, *taken], 2):
            assert one in taken or apart(one, other)
        assert all(b.left >= 0 and b.bottom >= 0 and b.left + b.width <= 3 and b.bottom + b.height <= 2 for b in boxes)


def apart(one, other):
    beside = one.left >= other.left + other.width or other.left >= one.left + one.width
    return beside or one.bottom >= other.bottom + other.height or other.bottom >= one.bottom + one.height
