# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of a guest's clock across the blackout, as text and as SVG.

x is true time, y the guest's kvmclock minus the one of an undisturbed guest.
All panels have the same scales."""
from html import escape

COLUMNS, ROWS = 66, 9
WIDTH, HEIGHT, MARGIN, LEFT = 760, 170, 34, 90
COLOURS = ("#c0392b", "#1f7a4d")
LEAST_NS = 100.0        # so that a few ns look like the flat line they are


def human_ns(ns):
    """A length of time with a fitting unit."""
    for unit, size in ("s", 1e9), ("ms", 1e6), ("us", 1e3):
        if abs(ns) >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%.3g ns" % ns


class Scales:
    """What the axes span, common to all tracks."""

    def __init__(self, tracks):
        points = [p for track in tracks for p in track.before + track.after]
        self.left = min([p[0] for p in points] + [0])
        self.right = max([p[0] for p in points] + [1])
        low = min([p[1] for p in points] + [0])
        high = max([p[1] for p in points] + [0])
        room = max(high - low, LEAST_NS) * 0.1
        self.low, self.high = low - room, high + room

    def x(self, ns, size):
        return (ns - self.left) / (self.right - self.left) * size

    def y(self, ns, size):
        """From the top down."""
        return (self.high - ns) / (self.high - self.low) * size


def blackout(track):
    """From the source's last sample to the destination's first."""
    return 0, track.after[0][0] if track.after else 0


# -- text --

def text(panels):
    """panels: [(title, track)]"""
    scales = Scales([track for _, track in panels])
    parts = [_text_panel(title, track, scales) for title, track in panels]
    axis = "%9s %s%s" % ("", human_ns(scales.left).ljust(COLUMNS - 10),
                         human_ns(scales.right).rjust(10))
    return "\n\n".join(parts) + "\n" + axis + (
        "\n%9s true time since the source's last sample; y: kvmclock minus "
        "the\n%9s undisturbed one; ':' is the blackout" % ("", ""))


def _text_panel(title, track, scales):
    cells = [[" "] * COLUMNS for _ in range(ROWS)]
    start, end = (_cell(scales.x(ns, COLUMNS), COLUMNS)
                  for ns in blackout(track))
    for row in cells:
        row[start:end + 1] = ":" * (end + 1 - start)
    zero = _cell(scales.y(0, ROWS), ROWS)
    cells[zero] = ["-" if c == " " else c for c in cells[zero]]
    for x, y in track.before + track.after:
        cells[_cell(scales.y(y, ROWS), ROWS)][
            _cell(scales.x(x, COLUMNS), COLUMNS)] = "*"
    labels = {zero: "0"}
    if track.after:
        last = track.after[-1][1]
        labels.setdefault(_cell(scales.y(last, ROWS), ROWS), human_ns(last))
    return "\n".join([title] + ["%9s|%s" % (labels.get(i, ""), "".join(row))
                                for i, row in enumerate(cells)])


def _cell(value, count):
    return min(count - 1, max(0, int(value)))


# -- SVG --

def svg(panels):
    scales = Scales([track for _, track in panels])
    height = len(panels) * (HEIGHT + MARGIN) + MARGIN
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
             'font-family="sans-serif" font-size="12">' % (
                 LEFT + WIDTH + 20, height),
             '<rect width="100%" height="100%" fill="white"/>']
    for number, (title, track) in enumerate(panels):
        top = MARGIN + number * (HEIGHT + MARGIN)
        parts.append('<g transform="translate(%d,%d)">' % (LEFT, top))
        parts += _svg_panel(title, track, scales,
                            COLOURS[number % len(COLOURS)])
        parts.append("</g>")
    parts.append('<text x="%d" y="%d">%s true time since the source\'s last '
                 'sample, to %s; y: kvmclock minus the undisturbed one; grey: '
                 'the blackout</text>' % (LEFT, height - 12,
                                          human_ns(scales.left),
                                          human_ns(scales.right)))
    return "\n".join(parts + ["</svg>\n"])


def _svg_panel(title, track, scales, colour):
    start, end = (scales.x(ns, WIDTH) for ns in blackout(track))
    zero = scales.y(0, HEIGHT)
    yield ('<rect x="%.1f" y="0" width="%.1f" height="%d" fill="#ddd"/>'
           % (start, end - start, HEIGHT))
    yield ('<line x1="0" x2="%d" y1="%.1f" y2="%.1f" stroke="#888" '
           'stroke-dasharray="4"/>' % (WIDTH, zero, zero))
    yield ('<rect width="%d" height="%d" fill="none" stroke="black"/>'
           % (WIDTH, HEIGHT))
    yield '<text x="0" y="-6">%s</text>' % escape(title)
    yield '<text x="-8" y="%.1f" text-anchor="end">0</text>' % (zero + 4)
    if track.after:
        last = track.after[-1][1]
        at = scales.y(last, HEIGHT)
        if abs(at - zero) > 14:
            yield ('<text x="-8" y="%.1f" text-anchor="end">%s</text>'
                   % (at + 4, escape(human_ns(last))))
    for x, y in track.before + track.after:
        yield ('<circle cx="%.1f" cy="%.1f" r="2" fill="%s"/>'
               % (scales.x(x, WIDTH), scales.y(y, HEIGHT), colour))
