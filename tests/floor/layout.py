"""Writes the list in src/release.ld anew: which code an idle, paired daemon has not run.

    layout.py MAP TRACE src/release.ld

MAP is the linker's (LLVM's) map of a program whose names are Rust's v0 names; TRACE is what qemu-user logs of it with
`-d in_asm,nochain`. A line of the list is a piece of a name, as long modules and types have one, that no function which
has run contains: they are taken by the bytes they bring, until one brings too little.
"""
import heapq
import re
import sys
from collections import defaultdict

# A line of the list brings at least so many bytes.
RUST_WORTH, C_WORTH = 480, 400
# What real processors run in place of what qemu-user's does.
BY_PROCESSOR = ("4sha2", "8chacha20", "8poly1305", "6memchr")
# Where qemu-user lays a position-independent program.
BASE = 0x4000000000
BEGIN, END = "    /* The list begins. */\n", "    /* The list ends. */\n"
WIDTH = 116


def sections(path):
    """(address, size, name, language) of each section of code, by address."""
    line = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S.*):\((\.text[^)]*)\)$")
    found = []
    with open(path, encoding="utf-8") as lines:
        for match in filter(None, map(line.match, lines)):
            address, size, file, name = int(match[1], 16), int(match[2], 16), match[3], match[4]
            language = "ring" if "libring" in file else "rust" if file.endswith(".rcgu.o") else "c"
            if size:
                found.append((address, size, name, language))
    return sorted(found)


def split(found, trace):
    """The sections that have run, and the others."""
    ran, at = set(), 0
    with open(trace, encoding="utf-8", errors="replace") as lines:
        addresses = sorted({int(line.split(":")[0], 16) - BASE for line in lines if line.startswith("0x40")})
    for address in addresses:
        while at + 1 < len(found) and found[at + 1][0] <= address:
            at += 1
        if found[at][0] <= address < found[at][0] + found[at][1]:
            ran.add(at)
    ran |= {at for at, one in enumerate(found) if any(crate in one[2] for crate in BY_PROCESSOR)}
    return [found[at] for at in sorted(ran)], [one for at, one in enumerate(found) if at not in ran]


def pieces(name):
    """What may stand for a name: up to five identifiers in a row, each with its length before it."""
    # A crate's disambiguator depends on the compiler.
    name = re.sub(r"Cs[0-9A-Za-z]+_", "C|", name)
    found, at = [], 0
    while at < len(name):
        number = re.compile(r"\d+").match(name, at)
        if not number:
            at += 1
            continue
        length, start = int(number[0]), number.end()
        # The underscore that keeps a length and an identifier apart.
        start += name[start : start + 2] == "__"
        word = name[start : start + length]
        is_word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*|_[a-z][A-Za-z0-9_]*", word) and not (word[0] == "_" and name[start - 1] != "_")
        if 2 < length <= 60 and len(word) == length and is_word:
            found.append((at, start + length))
            at = start + length
        else:
            at = number.end()
    for first, (begin, end) in enumerate(found):
        yield name[begin:end]
        for after, stop in found[first + 1 : first + 5]:
            if after != end:
                break
            end = stop
            yield name[begin:end]


def rust(ran, cold):
    """The pieces that bring most, and the bytes that each brings beyond those before it."""
    names, covers = "\n".join(one[2] for one in ran), defaultdict(set)
    for at, one in enumerate(cold):
        if one[3] == "rust":
            for piece in set(pieces(one[2])):
                covers[piece].add(at)
    covers = {piece: what for piece, what in covers.items() if piece not in names}
    heap = [(-sum(cold[at][1] for at in what), piece) for piece, what in covers.items()]
    heapq.heapify(heap)
    done, taken = set(), []
    while heap:
        gain, piece = heapq.heappop(heap)
        left = sum(cold[at][1] for at in covers[piece] - done)
        if left < RUST_WORTH:
            continue
        if left != -gain:
            heapq.heappush(heap, (-left, piece))
            continue
        done |= covers[piece]
        taken.append(piece)
    return taken, sum(cold[at][1] for at in done)


def written(patterns):
    line = "    *("
    for pattern in patterns:
        if len(line) + len(pattern) > WIDTH:
            yield line.rstrip() + ")\n"
            line = "    *("
        line += pattern + " "
    yield line.rstrip() + ")\n"


def main(map_path, trace, script):
    ran, cold = split(sections(map_path), trace)
    taken, bytes_of_rust = rust(ran, cold)
    has_run = {one[2] for one in ran}
    of_c = [one for one in cold if one[3] == "c" and one[1] >= C_WORTH and one[2] not in has_run and one[2] != ".text"]
    if not taken or len(ran) < 1000:
        sys.exit(f"{len(ran)} functions have run: the trace is none of this program, or the map is")
    with open(script, encoding="utf-8") as file:
        head, rest = file.read().split(BEGIN)
        tail = rest.split(END)[1]
    with open(script, "w", encoding="utf-8") as file:
        file.write(head + BEGIN)
        file.writelines(written(sorted(f".text.*{piece}*" for piece in taken)))
        file.writelines(written(sorted(one[2] for one in of_c)))
        file.write(END + tail)
    kilobytes = lambda many: sum(one[1] for one in many) // 1000
    print(f"{len(ran)} functions have run, {kilobytes(ran)} kB; {len(cold)} have not, {kilobytes(cold)} kB")
    print(f"listed: {len(taken)} pieces of names, {bytes_of_rust // 1000} kB, and {len(of_c)} names of C, {kilobytes(of_c)} kB")


main(*sys.argv[1:])
