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
    """What the axes span."""

    def __init__(self, points, least=LEAST_NS):
        self.left = min([p[0] for p in points] + [0])
        self.right = max([p[0] for p in points] + [1])
        low = min([p[1] for p in points] + [0])
        high = max([p[1] for p in points] + [0])
        room = max(high - low, least) * 0.1
        self.low, self.high = low - room, high + room

    def x(self, value, size):
        return (value - self.left) / (self.right - self.left) * size

    def y(self, value, size):
        """From the top down."""
        return (self.high - value) / (self.high - self.low) * size


def all_points(panels):
    return [p for _, track in panels for p in track.before + track.after]


def blackout(track):
    """From the source's last sample to the destination's first."""
    return 0, track.after[0][0] if track.after else 0


class Panel:
    """Points with a title. last: what the right edge of the labels tells;
    shade: from where to where something is shaded; label: a value's words."""

    def __init__(self, title, points, last=None, shade=None, label=human_ns):
        self.title, self.points = title, points
        self.last, self.shade, self.label = last, shade, label

    @classmethod
    def of_track(cls, title, track):
        return cls(title, track.before + track.after,
                   track.after[-1][1] if track.after else None,
                   blackout(track))


def charts(panels):
    """[(Panel, its own scales)]: of numbers that have nothing in common."""
    return [(panel, Scales(panel.points, least=1)) for panel in panels]


# -- text --

def text(panels):
    """panels: [(title, track)]"""
    scales = Scales(all_points(panels))
    axis = "%9s %s%s" % ("", human_ns(scales.left).ljust(COLUMNS - 10),
                         human_ns(scales.right).rjust(10))
    return "\n\n".join(text_panel(Panel.of_track(*panel), scales)
                       for panel in panels) + "\n" + axis + (
        "\n%9s true time since the source's last sample; y: kvmclock minus "
        "the\n%9s undisturbed one; ':' is the blackout" % ("", ""))


def text_panel(panel, scales):
    cells = [[" "] * COLUMNS for _ in range(ROWS)]
    if panel.shade:
        start, end = (_cell(scales.x(edge, COLUMNS), COLUMNS)
                      for edge in panel.shade)
        for row in cells:
            row[start:end + 1] = ":" * (end + 1 - start)
    zero = _cell(scales.y(0, ROWS), ROWS)
    cells[zero] = ["-" if c == " " else c for c in cells[zero]]
    for x, y in panel.points:
        cells[_cell(scales.y(y, ROWS), ROWS)][
            _cell(scales.x(x, COLUMNS), COLUMNS)] = "*"
    labels = {zero: "0"}
    if panel.last is not None:
        labels.setdefault(_cell(scales.y(panel.last, ROWS), ROWS),
                          panel.label(panel.last))
    return "\n".join([panel.title] + [
        "%9s|%s" % (labels.get(i, ""), "".join(row))
        for i, row in enumerate(cells)])


def _cell(value, count):
    return min(count - 1, max(0, int(value)))


# -- SVG --

def svg(panels):
    scales = Scales(all_points(panels))
    return svg_panels(
        [(Panel.of_track(*panel), scales) for panel in panels],
        "%s true time since the source's last sample, to %s; y: kvmclock minus "
        "the undisturbed one; grey: the blackout" % (
            human_ns(scales.left), human_ns(scales.right)))


def svg_panels(panels, words):
    """[(Panel, scales)], one below the other, and a line of words."""
    height = len(panels) * (HEIGHT + MARGIN) + MARGIN
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
             'font-family="sans-serif" font-size="12">' % (
                 LEFT + WIDTH + 20, height),
             '<rect width="100%" height="100%" fill="white"/>']
    for number, (panel, scales) in enumerate(panels):
        top = MARGIN + number * (HEIGHT + MARGIN)
        parts.append('<g transform="translate(%d,%d)">' % (LEFT, top))
        parts += _svg_panel(panel, scales, COLOURS[number % len(COLOURS)])
        parts.append("</g>")
    parts.append('<text x="%d" y="%d">%s</text>' % (LEFT, height - 12,
                                                    escape(words, False)))
    return "\n".join(parts + ["</svg>\n"])


def _svg_panel(panel, scales, colour):
    zero = scales.y(0, HEIGHT)
    if panel.shade:
        start, end = (scales.x(edge, WIDTH) for edge in panel.shade)
        yield ('<rect x="%.1f" y="0" width="%.1f" height="%d" fill="#ddd"/>'
               % (start, end - start, HEIGHT))
    yield ('<line x1="0" x2="%d" y1="%.1f" y2="%.1f" stroke="#888" '
           'stroke-dasharray="4"/>' % (WIDTH, zero, zero))
    yield ('<rect width="%d" height="%d" fill="none" stroke="black"/>'
           % (WIDTH, HEIGHT))
    yield '<text x="0" y="-6">%s</text>' % escape(panel.title)
    yield '<text x="-8" y="%.1f" text-anchor="end">0</text>' % (zero + 4)
    if panel.last is not None:
        at = scales.y(panel.last, HEIGHT)
        if abs(at - zero) > 14:
            yield ('<text x="-8" y="%.1f" text-anchor="end">%s</text>'
                   % (at + 4, escape(panel.label(panel.last))))
    for x, y in panel.points:
        yield ('<circle cx="%.1f" cy="%.1f" r="2" fill="%s"/>'
               % (scales.x(x, WIDTH), scales.y(y, HEIGHT), colour))
