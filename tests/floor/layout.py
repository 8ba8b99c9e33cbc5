"""Writes the lists in src/release.ld anew: which code a resting, paired daemon has not run.

    layout.py MAP                                 prints where each function begins, for entered.py
    layout.py MAP IDLE SENDING src/release.ld     writes the lists

MAP is the linker's (LLVM's) map of a program whose names are Rust's v0 names; IDLE and SENDING are the functions that a
daemon has entered that rests, and one that sends. The first list is of code that neither has run, the second of what only
the one that sends has. A line holds pieces of names, as long modules and types have them, or two with a star between: no
function that has run matches one. They are taken by the bytes they bring, until one brings too little.
"""
import heapq
import re
import sys
from collections import defaultdict

# A pattern brings at least so many bytes.
RUST_WORTH, C_WORTH = 360, 400
WIDTH = 116
# What a name may say of the compiler, and so change with it: the disambiguator of a crate, and where a part of the name
# stood before.
HASH, BACK = re.compile(r"Cs[0-9A-Za-z]+_"), re.compile(r"B[0-9A-Za-z]{0,3}_")
NUMBER = re.compile(r"\d+")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_[a-z][A-Za-z0-9_]*")


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


def starts(found):
    """Where functions begin. One that is written for the assembler has no section of its own: the script names its file."""
    return [one[0] for one in found if one[3] != "ring" and one[2] != ".text"]


def have_run(found, path):
    """The places in `found` of the sections that have run."""
    with open(path, encoding="utf-8") as lines:
        entered = {int(line, 16) for line in lines}
    ran = {at for at, one in enumerate(found) if one[0] in entered or one[2] == ".text" and one[3] != "ring"}
    if len(ran) < 1000:
        sys.exit(f"{len(ran)} functions have run: {path} is of another program, or the map is")
    return ran


def identifiers(name):
    """(begin, end) of each identifier in a name, with the length before it."""
    at = 0
    while number := NUMBER.search(name, at):
        length, start = int(number[0]), number.end()
        # The underscore that keeps a length and an identifier apart.
        start += name[start : start + 2] == "__"
        word = name[start : start + length]
        is_word = WORD.fullmatch(word) and not (word[0] == "_" and name[start - 1] != "_")
        if 2 < length <= 60 and len(word) == length and is_word:
            yield number.start(), start + length
            at = start + length
        else:
            at = number.end()


def pieces(name):
    """What may stand for a name: up to five identifiers in a row, and the last words to a place that may change."""
    name = HASH.sub("C|", name)
    found = list(identifiers(name))
    for first, (begin, end) in enumerate(found):
        yield name[begin:end]
        for after, stop in found[first + 1 : first + 5]:
            if after != end:
                break
            end = stop
            yield name[begin:end]
        tail = BACK.split(name[begin:].split("|")[0])[0]
        if len(tail) > end - begin:
            yield tail


def pairs(name):
    """Two pieces of a name, in their order."""
    found = list(dict.fromkeys(pieces(name)))
    for at, first in enumerate(found):
        for second in found[at + 1 :]:
            yield f"{first}*{second}"


def rust(ran, cold):
    """The patterns that bring most, and what they bring."""
    names = "\n".join(one[2] for one in ran)
    in_pairs = {pair for one in ran for pair in pairs(one[2])}
    covers = defaultdict(set)
    for one in cold:
        if one[3] == "rust":
            for pattern in {*pieces(one[2]), *pairs(one[2])}:
                covers[pattern].add(one)
    bytes_of = lambda what: sum(one[1] for one in what)
    heap = [(-bytes_of(what), len(pattern), pattern) for pattern, what in covers.items() if pattern not in in_pairs and bytes_of(what) >= RUST_WORTH]
    heapq.heapify(heap)
    done, taken = set(), []
    while heap:
        gain, length, pattern = heapq.heappop(heap)
        left = bytes_of(covers[pattern] - done)
        if left < RUST_WORTH or re.search(".*".join(map(re.escape, pattern.split("*"))), names):
            continue
        if left != -gain:
            heapq.heappush(heap, (-left, length, pattern))
            continue
        done |= covers[pattern]
        taken.append(f".text.*{pattern}*")
    return taken, done


def c(ran, cold):
    """The names that bring enough."""
    names = {one[2] for one in ran}
    found = [one for one in cold if one[3] == "c" and one[1] >= C_WORTH and one[2] not in names and one[2] != ".text"]
    return [one[2] for one in found], set(found)


def written(patterns):
    """The lines of a list."""
    line = "    *("
    for pattern in patterns:
        if len(line) + len(pattern) > WIDTH and line != "    *(":
            yield line.rstrip() + ")\n"
            line = "    *("
        line += pattern + " "
    yield line.rstrip() + ")\n"


def replace(script, label, ran, cold):
    """Writes one list, and returns what it names."""
    begin, end = f"    /* The list of {label} begins. */\n", f"    /* The list of {label} ends. */\n"
    (of_rust, done), (of_c, more) = rust(ran, cold), c(ran, cold)
    if not of_rust:
        sys.exit(f"nothing for the list of {label}: the traces are none of this program, or the map is")
    with open(script, encoding="utf-8") as file:
        head, rest = file.read().split(begin)
        tail = rest.split(end)[1]
    with open(script, "w", encoding="utf-8") as file:
        file.writelines([head, begin, *written(sorted(of_rust)), *written(sorted(of_c)), end, tail])
    kilobytes = sum(one[1] for one in done | more) // 1000
    print(f"{label}: {len(of_rust)} patterns of Rust and {len(of_c)} names of C, for {kilobytes} kB")
    return done | more


def main(map_path, idle=None, sending=None, script=None):
    found = sections(map_path)
    if not idle:
        return print("\n".join(f"{at:x}" for at in starts(found)))
    idle, sending = have_run(found, idle), have_run(found, sending)
    pick = lambda places: [found[at] for at in sorted(places)]
    kilobytes = lambda places: sum(one[1] for one in pick(places)) // 1000
    everything = set(range(len(found)))
    print(f"of {kilobytes(everything)} kB, resting: {kilobytes(idle)} kB; sending only: {kilobytes(sending - idle)} kB")
    never = replace(script, "what is not run", pick(idle | sending), pick(everything - idle - sending))
    replace(script, "what sending runs", pick(idle), [one for one in pick(everything - idle) if one not in never])


main(*sys.argv[1:])
