import os
import time

# One file for each worker process: it is there while that process works.
path = os.path.join(os.environ["DATA_ROOT"], f"worker-{os.getpid()}")
while True:
    with open(path, "w") as file:
        file.write(f"{time.time()}\n")
    time.sleep(0.5)
