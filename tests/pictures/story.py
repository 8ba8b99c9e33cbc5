"""What the pictures show: a rig is paired and sends two clips. Called by `take`, which has everything running.

    story.py DIRECTORY CLOUD
"""
import math
import os
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import wave

from terminal import Terminal

CARD = "/media/a-cam"
# Of a page, in a phone's own points.
HEIGHT = 960
FLAGS = ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
         "disable-background-networking", "disable-component-update", "force-device-scale-factor=2")


def sound(path):
    """Eight seconds of a tone, as a recorder beside the camera would write it."""
    with wave.open(path, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        samples = (int(8000 * math.sin(n * math.tau * 440 / 48000)) for n in range(8 * 48000))
        file.writeframes(b"".join(struct.pack("<hh", sample, sample) for sample in samples))


def post(url, **fields):
    with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode()) as answer:
        answer.read()


def page(url, path):
    """The page as a phone shows it."""
    with tempfile.TemporaryDirectory() as profile:
        flags = [f"--{flag}" for flag in FLAGS]
        place = [f"--user-data-dir={profile}", f"--window-size=390,{HEIGHT}", f"--screenshot={path}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["chromium", *flags, *place, url], check=True, timeout=120, **quiet)
    subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--output", path, "64", path], check=True)


def main(where, cloud):
    subprocess.run(["rigpost-sim", "--write-clip", f"{CARD}/A001_C001.mov"], check=True)
    sound(f"{CARD}/A001_C001.wav")
    os.chdir(CARD)
    with Terminal(80, 30, {"LC_ALL": "C.UTF-8"}) as terminal:
        terminal.run("rigpost pair")
        terminal.until("Ctrl-C cancels")
        code = terminal.until(r"Code: (\d+)")[1]
        terminal.picture(f"{where}/pair.svg", "rigpost pair shows a QR code, the address and the code to enter")
        page(f"{cloud}/device?code={code}", f"{where}/approve.png")
        post(f"{cloud}/answer", code=code, project="Testbed", decision="approve")
        terminal.until("Paired with Testbed")

        # So slow that there is something to see.
        subprocess.run(["rigpost", "limit", "1MB"], check=True)
        terminal.run("rigpost add --closed --wait A001_C001.mov A001_C001.wav")
        terminal.until(r"mov .* [456]\d %")
        terminal.picture(f"{where}/send.svg", "rigpost add --wait shows how two clips are sent")
        # A browser takes its time to come.
        subprocess.run(["rigpost", "pause"], check=True)
        page(cloud, f"{where}/clips.png")


main(os.path.abspath(sys.argv[1]), sys.argv[2])
