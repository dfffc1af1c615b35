"""What a command takes of a processor: measure.py USER TIMES COMMAND... prints the median in ms."""

import os
import pwd
import resource
import statistics
import subprocess
import sys

user, times, *command = sys.argv[1:]
account = pwd.getpwnam(user)
os.setgid(account.pw_gid)
os.setuid(account.pw_uid)
os.chdir(account.pw_dir)
environment = {"HOME": account.pw_dir, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


samples = []
for _ in range(int(times)):
    before = spent()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    samples.append((spent() - before) * 1000)
print(round(statistics.median(samples), 1))
