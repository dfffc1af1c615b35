"""Runs a program before and after so many connections were opened and closed.

sockets.py COUNT PROGRAM...
"""

import socket
import subprocess
import sys

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(100)
address = server.getsockname()


def connect(i):
    client = socket.socket()
    # Each address has ports for so many.
    client.bind((f"127.0.0.{2 + i // 12000}", 0))
    client.connect(address)
    return client, server.accept()[0]


kept = connect(0)
argv = [*sys.argv[2:], str(address[1])]
subprocess.run(argv, check=True)
for i in range(int(sys.argv[1])):
    for one in connect(i):
        one.close()
subprocess.run(argv, check=True)
