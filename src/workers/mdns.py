"""Publishes apps' names below .local by mDNS as long as it runs: CNAMEs of the board's own name.

avahi-daemon is asked for them over D-Bus, by hand, since not every board has a module for it:
https://dbus.freedesktop.org/doc/dbus-specification.html. The names are those that nginx serves,
by its files in the directory argv[1].
"""

import os
import re
import select
import socket
import struct
import sys
import time

AVAHI = "org.freedesktop.Avahi"
SECONDS = 60  # how long others may remember a name
MAX_NAMES = 500


def padded(data, size):
    return data + b"\0" * (-len(data) % size)


def string(text):
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


class Bus:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect("/run/dbus/system_bus_socket")
        self.serial = 0
        self.socket.sendall(b"\0AUTH EXTERNAL %s\r\n" % str(os.getuid()).encode().hex().encode())
        if not self.socket.recv(200).startswith(b"OK "):
            raise OSError("D-Bus does not let us in")
        self.socket.sendall(b"BEGIN\r\n")
        self.tell("Hello")
        # Avahi comes or goes, or the board gets another name.
        for rule in f"member='NameOwnerChanged',arg0='{AVAHI}'", f"interface='{AVAHI}.Server'":
            self.tell("AddMatch", "s", string(f"type='signal',{rule}"))

    def tell(self, member, signature="", body=b""):
        bus = "org.freedesktop.DBus"
        self.call(bus, "/org/freedesktop/DBus", bus, member, signature, body)

    def receive(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise OSError("D-Bus has hung up")
            data += piece
        return data

    def call(self, to, path, interface, member, signature="", body=b""):
        self.serial += 1
        fields = [(1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", to)]
        header = b""
        for code, kind, value in fields:
            header = padded(header, 8) + bytes([code, 1, ord(kind), 0]) + string(value)
        if signature:
            data = signature.encode()
            header = padded(header, 8) + bytes([8, 1, ord("g"), 0, len(data)]) + data + b"\0"
        # 2: avahi is not to be started by our question.
        head = struct.pack("<BBBBIII", ord("l"), 1, 2, 1, len(body), self.serial, len(header))
        self.socket.sendall(padded(head + header, 8) + body)
        return self.answer()

    def answer(self):
        while True:
            head = self.receive(16)
            length, _, size = struct.unpack("<III", head[4:])
            header = self.receive(size + -size % 8)
            body = self.receive(length)
            # Method return (2) or error (3) with our serial; signals are passed over.
            ours = struct.pack("<BBBBI", 5, 1, ord("u"), 0, self.serial) in header
            if head[1] in (2, 3) and ours:
                if head[1] == 3:
                    raise OSError(body[4:].decode(errors="replace"))
                return body

    def ask(self, path, interface, member, signature="", body=b""):
        return self.call(AVAHI, path, f"{AVAHI}.{interface}", member, signature, body)


def text_of(body):
    return body[4 : 4 + struct.unpack("<I", body[:4])[0]].decode()


def names_in(folder, own):
    """The names below .local in nginx's files."""
    found = set()
    for entry in os.scandir(folder):
        if not entry.name.endswith(".conf") or not entry.is_file(follow_symlinks=False):
            continue
        with open(entry.path, errors="replace") as file:
            for line in re.findall(r"^\s*server_name ([^;]*);", file.read(1 << 20), re.M):
                found.update(line.split())
    valid = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.local")
    return sorted(name for name in found if valid.fullmatch(name) and name != own)[:MAX_NAMES]


def publish(bus, group, names, own):
    target = b"".join(bytes([len(part)]) + part.encode() for part in own.split(".")) + b"\0"
    bus.ask(group, "EntryGroup", "Reset")
    for name in names:
        # Interface and protocol: any; class IN, type CNAME.
        body = padded(struct.pack("<iiI", -1, -1, 0) + string(name), 2) + struct.pack("<HH", 1, 5)
        body = padded(body, 4) + struct.pack("<II", SECONDS, len(target)) + target
        bus.ask(group, "EntryGroup", "AddRecord", "iiusqquay", body)
    if names:
        bus.ask(group, "EntryGroup", "Commit")
    print("published for", own + ":", *names, flush=True)


def serve(folder):
    bus = Bus()
    group = text_of(bus.ask("/", "Server", "EntryGroupNew"))
    before = None
    while True:
        changed = os.stat(folder).st_mtime_ns
        # Fails when avahi was started anew and knows nothing of our names.
        bus.ask(group, "EntryGroup", "GetState")
        own = text_of(bus.ask("/", "Server", "GetHostNameFqdn"))
        now = (own, names_in(folder, own))
        if now != before:
            publish(bus, group, now[1], own)
        before = now
        while os.stat(folder).st_mtime_ns == changed:
            if select.select([bus.socket], [], [], 2)[0]:
                # A signal, which the next answer passes over; more of them may follow.
                time.sleep(1)
                break


while True:
    try:
        serve(sys.argv[1])
    except OSError as error:
        print("not published:", error, flush=True)
        time.sleep(3)
