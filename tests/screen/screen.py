#!/usr/bin/python3
"""The smallest screen of a rig: what a camera shows of rigpost, as lines in a terminal.

    screen.py           shows how things are, and goes on when the daemon is started again
    screen.py --pair    starts a pairing first

Needs python3-dbus-fast, and the group rigpost-ui. It is there to be copied: a maker writes draw() anew, and keeps the rest.
"""
import asyncio
import sys
import time

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

NAME = "org.rigpost.Rigpost1"
PATH = "/org/rigpost/Rigpost1"
PARTS = (NAME + ".Device", NAME + ".Pairing", NAME + ".Queue")
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
PAIRING = (NAME, PATH, PARTS[1])
PROPERTIES = (NAME, PATH, "org.freedesktop.DBus.Properties")
# Without another Start a pairing ends after 15 minutes: no code lives on at which nobody looks.
LOOKED_AT = 300

SENTENCES = {
    "secret-unavailable": "The rig can't read its secrets",
    "unprovisioned": "The rig has no client secret yet",
    "unpaired": "Not paired",
    "requesting-code": "Asking for a code",
    # The answer is there, and is being written down.
    "waiting-for-user": "One moment",
    "needs-pairing": "To be paired again",
}


class Rig:
    """What the daemon says of itself. While it is away there is no owner, and nothing is known."""

    def __init__(self, bus):
        self.bus, self.owner, self.known, self.qr = bus, "", {}, ""
        self.stale, self.news, self.refused = set(), asyncio.Event(), ""

    async def call(self, to, member, signature="", *body):
        """A method's answer; DBusError where it was refused, TimeoutError where none came."""
        name, path, interface = to
        message = Message(name, path, interface, member, signature=signature, body=list(body))
        reply = await asyncio.wait_for(self.bus.call(message), 30)
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name, str(reply.body[0]) if reply.body else "")
        return reply.body

    async def begin(self):
        """Listens first and looks then, so that nothing falls in between."""
        self.bus.add_message_handler(self.heard)
        for rule in (f"interface='{PROPERTIES[2]}',member='PropertiesChanged',sender='{NAME}',path='{PATH}'",
                     f"interface='{BUS[2]}',member='NameOwnerChanged',sender='{BUS[0]}',arg0='{NAME}'"):
            await self.call(BUS, "AddMatch", "s", f"type='signal',{rule}")
        try:
            self.owned((await self.call(BUS, "GetNameOwner", "s", NAME))[0])
        except DBusError:
            self.owned("")

    def owned(self, owner):
        """The daemon came or went. What was known of another one is of no use."""
        self.owner, self.known, self.qr = owner, {}, ""
        self.stale = set(PARTS) if owner else set()
        self.news.set()

    def heard(self, message):
        """A signal says what is to be read anew. Its own values are not used: they may be older than an answer that was read
        meanwhile, and the code is never among them, only named as invalidated."""
        if message.member == "NameOwnerChanged" and message.sender == BUS[0] and message.body[0] == NAME:
            self.owned(message.body[2])
        elif message.member == "PropertiesChanged" and message.sender == self.owner:
            self.stale.add(message.body[0])
            self.news.set()

    async def read(self, part):
        """All properties of one interface, and the picture of the code where there is one."""
        owner, code = self.owner, self.known.get("UserCode", "")
        found = unpack_variants((await self.call(PROPERTIES, "GetAll", "s", part))[0])
        qr = self.qr
        if found.get("UserCode", code) != code:
            qr = await self.picture() if found["UserCode"] else ""
        # It may have gone while it answered.
        if owner == self.owner:
            self.known.update(found)
            self.qr = qr

    async def picture(self):
        """For pixels: "png", with "fit" for the space there is."""
        try:
            return bytes((await self.call(PAIRING, "QrCode", "sa{sv}", "text", {}))[0]).decode()
        except DBusError:
            return ""

    async def pair(self):
        """Starts a pairing, and says as long as its code is shown that somebody looks at it."""
        try:
            await self.call(PAIRING, "Start", "a{sv}", {})
            while True:
                await asyncio.sleep(LOOKED_AT)
                if self.known.get("State") == "waiting-for-user":
                    await self.call(PAIRING, "Start", "a{sv}", {})
        except (DBusError, asyncio.TimeoutError) as error:
            self.refused = str(error)


def seconds_until(boottime):
    """Of a time of CLOCK_BOOTTIME in microseconds, which no setting of the clock moves."""
    return max(0, round(boottime / 1e6 - time.clock_gettime(time.CLOCK_BOOTTIME)))


def bar(done, size):
    part = min(done / size, 1) if size else 1
    return f"[{'#' * int(part * 20):20}] {part:4.0%}"


def lines(rig):
    """Everything that is to be seen, from top to bottom."""
    known = rig.known
    if not rig.owner:
        return ["rigpost does not run; waiting for it"]
    if not known.keys() >= {"State", "Blockers", "Current"}:
        return ["rigpost is there"]
    state, shown = known["State"], []
    if state == "waiting-for-user" and known["UserCode"]:
        left = seconds_until(known["CodeExpiresAt"])
        shown += [f"Code: {known['UserCode']}", f"  at {known['VerificationUri'] or 'your project, Add New Device'}"]
        shown += [f"  for {known['DeviceName']} {known['DeviceId']}", *rig.qr.splitlines()]
        shown += [f"  a new code in {left // 60}:{left % 60:02}"]
    elif state == "paired":
        name = known["ProjectName"] or known["ProjectId"]
        shown += [f"Paired with {name}" if name else "Paired"]
    else:
        # A newer daemon may know more states.
        shown += [SENTENCES.get(state, state)]
    for clip in known["Current"]:
        shown += [f"{bar(clip['sent'] + clip['on_the_way'], clip['size'])} {clip['name']}"]
    if known["FilesLeft"]:
        done = known["BytesTotal"] - known["BytesLeft"]
        shown += [f"{bar(done, known['BytesTotal'])} all: {known['FilesLeft']} left, {known['Rate'] / 1e6:.1f} MB/s"]
    if rig.refused and state != "paired":
        shown += [f"! {rig.refused}"]
    shown += [f"! {sentence} ({code})" for code, sentence, _detail in known["Blockers"]]
    return shown + ["Safe to power off" if known["SafeToPowerOff"] else "Do not power off"]


def draw(shown, before):
    """Here: the whole of a terminal, or, in a pipe, the lines that were not there before."""
    if sys.stdout.isatty():
        print("\x1b[H\x1b[J" + "\n".join(shown), flush=True)
    else:
        print("".join(line + "\n" for line in shown if line not in before), end="", flush=True)


async def show(rig):
    """Reads what is stale and draws, at each signal and each second, for the countdown."""
    before = []
    while True:
        rig.news.clear()
        try:
            while rig.stale:
                await rig.read(rig.stale.pop())
        except (DBusError, asyncio.TimeoutError):
            # It went, which the bus says too, or has too much to do.
            rig.stale = set(PARTS) if rig.owner else set()
        shown = lines(rig)
        draw(shown, before)
        before = shown
        try:
            await asyncio.wait_for(rig.news.wait(), 1)
        except asyncio.TimeoutError:
            pass


async def ended(bus):
    await asyncio.gather(bus.wait_for_disconnect(), return_exceptions=True)
    raise EOFError("the bus is gone")


async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    rig = Rig(bus)
    await rig.begin()
    pairing = rig.pair() if "--pair" in sys.argv[1:] else asyncio.sleep(0)
    await asyncio.gather(show(rig), pairing, ended(bus))


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
except (EOFError, OSError) as error:
    # Whoever started it starts it again.
    sys.exit(f"screen.py: {error}")
