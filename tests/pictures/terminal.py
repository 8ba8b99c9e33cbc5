"""A terminal to take pictures of: a shell on a pseudo-terminal, and what is on its screen as SVG.

The screen is pyte's, because what redraws itself has to be followed. The SVG is written here, because whoever writes the
blocks of a QR code as letters leaves gaps between the lines, and no phone reads that.
"""
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from fcntl import ioctl
from html import escape
from itertools import groupby

import pyte

PATIENCE = 60
# At the beginning of a line that has nothing else.
PROMPT = r"^\$$"
# A cell, of which half the height is the width: modules of a QR code are squares.
WIDTH, HEIGHT, MARGIN = 8, 16, 16
LETTERS = "ui-monospace,SFMono-Regular,'DejaVu Sans Mono',Menlo,Consolas,monospace"
PAPER, INK = "#16181d", "#d5d8de"
COLOURS = {
    "default": INK, "dim": "#8b919c", "black": "#000000", "red": "#ff7b72", "green": "#56d364", "brown": "#e3b341",
    "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#76e3ea", "white": "#ffffff",
}
# Which part of the cell is inked, from left, top to right, bottom, and how much.
BLOCKS = {
    "█": (0, 0, 8, 16, 1), "▀": (0, 0, 8, 8, 1), "▄": (0, 8, 8, 16, 1), "▌": (0, 0, 4, 16, 1), "▐": (4, 0, 8, 16, 1),
    "░": (0, 0, 8, 16, 0.25),
}


class Screen(pyte.Screen):
    """With faint letters, which pyte does not know."""

    def select_graphic_rendition(self, *attrs, **more):
        super().select_graphic_rendition(*attrs, **more)
        if attrs == (2,):
            self.cursor.attrs = self.cursor.attrs._replace(fg="dim")


class Terminal:
    """Runs a shell until the end of the `with`."""

    def __init__(self, columns, rows, env):
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.line = pty.fork()
        if self.pid == 0:
            here = {**os.environ, **env, "PS1": "$ ", "TERM": "xterm", "INPUTRC": "/dev/null"}
            os.execvpe("bash", ["bash", "--noprofile", "--norc", "-i"], here)
        ioctl(self.line, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.until(PROMPT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.line)
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.line, text.encode())

    def run(self, command):
        """On a screen that has only this command on it."""
        self.type("\x0c")
        self.until(r"\A\$\n\s*\Z")
        self.type(command + "\n")

    def until(self, wanted):
        """Waits until this is on the screen, and answers with what was found."""
        end = time.monotonic() + PATIENCE
        while True:
            shown = "\n".join(line.rstrip() for line in self.screen.display)
            if found := re.search(wanted, shown, re.M):
                return found
            left = max(0, end - time.monotonic())
            if not select.select([self.line], [], [], left)[0]:
                raise SystemExit(f"{wanted} is never on the screen:\n{shown}")
            self.stream.feed(os.read(self.line, 65536))

    def picture(self, path, title):
        with open(path, "w", encoding="utf-8") as file:
            file.write(svg(self.screen, title))


def area(x0, y0, x1, y1):
    return f"M{x0} {y0}h{x1 - x0}v{y1 - y0}h{x0 - x1}z"


def kind(cell):
    return cell.fg, cell.bg, cell.bold, cell.data if cell.data in BLOCKS else ""


def drawn(row, top, areas):
    """The words of a row; its blocks and backgrounds go to `areas`, by what they are inked with."""
    def ink(colour, strength, *corners):
        areas.setdefault((COLOURS[colour], strength), []).append(area(*corners))

    x, words = 0, []
    for (fg, bg, bold, block), cells in groupby(row, kind):
        text = "".join(cell.data for cell in cells)
        left, right = x, x + len(text) * WIDTH
        x = right
        if bg != "default":
            ink(bg, 1, left, top, right, top + HEIGHT)
        if block:
            x0, y0, x1, y1, strength = BLOCKS[block]
            step = right - left if x1 - x0 == WIDTH else WIDTH
            for cell in range(left, right, step):
                ink(fg, strength, cell + x0, top + y0, cell + step - WIDTH + x1, top + y1)
            continue
        style = f' fill="{COLOURS[fg]}"' if fg != "default" else ""
        style += ' font-weight="bold"' if bold else ""
        # How wide a gap is, is not left to the reader's font.
        for word in re.finditer(r"\S+(?: \S+)*", text):
            place = f'x="{left + word.start() * WIDTH}" y="{top + 12}" textLength="{len(word[0]) * WIDTH}"'
            words.append(f"<text {place}{style}>{escape(word[0], quote=False)}</text>")
    return words


def svg(screen, title):
    """What is on the screen, down to the last line that has something on it."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and all(cell.data == " " and cell.bg == "default" for cell in rows[-1]):
        rows.pop()
    areas = {}
    words = [word for y, row in enumerate(rows) for word in drawn(row, y * HEIGHT, areas)]
    paths = (f'<path fill="{colour}" fill-opacity="{strength}" d="{"".join(paths)}"/>'
             for (colour, strength), paths in areas.items())
    width, height = screen.columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
        f'<g transform="translate({MARGIN} {MARGIN})" shape-rendering="crispEdges">',
        *paths,
        f'</g><g transform="translate({MARGIN} {MARGIN})" fill="{INK}" font-family="{LETTERS}" font-size="13.3">',
        *words,
        "</g></svg>\n",
    ])
