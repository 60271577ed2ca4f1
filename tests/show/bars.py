# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of ./run bench as a picture: a pair of bars for each row, from the
least to the most, with the median in it, and a line for what is allowed."""
import statistics
from html import escape

LEFT, WIDTH, RIGHT, TOP, HEIGHT = 230, 480, 110, 34, 34
COLOURS = {"stock": "#c0392b", "patched": "#1f7a4d"}


def number(value):
    """For people."""
    return "%.1f" % value if value < 100 and value != int(value) else \
        format(round(value), ",")


def _limit(row):
    """Where the line is, in the row's unit; None: there is none."""
    if row.limit is None or not row.more:
        return row.limit
    return row.limit + statistics.median(row.stock)


def _bar(name, numbers, at, scale):
    colour = COLOURS[name]
    middle = statistics.median(numbers)
    least, most = (min(value * scale, WIDTH + 10)
                   for value in (min(numbers), max(numbers)))
    yield ('<rect x="%d" y="%d" width="%.1f" height="8" fill="%s"/>'
           % (LEFT, at, middle * scale, colour))
    yield ('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="black"/>'
           % (LEFT + least, LEFT + most, at + 4, at + 4))
    yield ('<text x="%.1f" y="%d" font-size="10">%s</text>'
           % (LEFT + max(most, middle * scale) + 5, at + 8, number(middle)))


def _row(row, top):
    limit = _limit(row)
    sides = [(name, numbers) for name, numbers in
             (("stock", row.stock), ("patched", row.patched)) if numbers]
    largest = max([1.3 * statistics.median(numbers) for _, numbers in sides] +
                  [limit or 0, 1e-9])
    scale = WIDTH / largest
    yield ('<text x="%d" y="%d" text-anchor="end">%s, %s</text>'
           % (LEFT - 10, top + 16, escape(row.title), row.unit))
    for number, (name, numbers) in enumerate(sides):
        yield from _bar(name, numbers, top + 4 + 11 * number, scale)
    if limit is not None:
        at = LEFT + limit * scale
        yield ('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#555" '
               'stroke-width="2"/>' % (at, at, top, top + HEIGHT - 6))


def svg(rows):
    """Each row has its own scale."""
    height = TOP + len(rows) * HEIGHT + 10
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
             'font-family="sans-serif" font-size="12">' % (
                 LEFT + WIDTH + RIGHT, height),
             '<rect width="100%" height="100%" fill="white"/>',
             '<text x="%d" y="20">medians, and from the least to the most: '
             '<tspan fill="%s">stock</tspan>, <tspan fill="%s">patched</tspan>; '
             'grey: allowed</text>' % (LEFT, *COLOURS.values())]
    for number, row in enumerate(rows):
        parts += _row(row, TOP + number * HEIGHT)
    return "\n".join(parts + ["</svg>\n"])
