"""The other end: ``python -I -S far.py PORT`` answers each datagram, so that its flow counts as established.

For each line ``watch`` of input it waits for the first datagram that comes from then on and says when that was, on the
clock that all processes share.
"""

import json
import select
import socket
import sys
import time


def main() -> None:
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("0.0.0.0", int(sys.argv[1])))
    print("waiting", flush=True)
    watching = False
    while True:
        ready = select.select([wire, sys.stdin], [], [])[0]
        if wire in ready:
            data, asker = wire.recvfrom(100)
            if watching:
                print(json.dumps(time.monotonic()), flush=True)
                watching = False
            wire.sendto(data, asker)
        elif sys.stdin.readline():
            watching = True
            print("watching", flush=True)
        else:
            return


if __name__ == "__main__":
    main()
