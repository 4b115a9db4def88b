"""A blocking client in a process of its own: sends 64 bytes, waits for the echo, pauses a millisecond, and again.

python -m tests.bench.echo_client PORT COUNT        prints the round trips in seconds as a JSON list
"""

import json
import socket
import sys
import time

MESSAGE = b"x" * 64


def round_trips(port: int, count: int) -> list[float]:
    """The seconds of each of `count` round trips."""
    seconds = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            started = time.perf_counter()
            connection.sendall(MESSAGE)
            missing = len(MESSAGE)
            while missing:
                missing -= len(connection.recv(missing)) or sys.exit("the server closed the connection")
            seconds.append(time.perf_counter() - started)
            time.sleep(0.001)
    return seconds


if __name__ == "__main__":
    print(json.dumps(round_trips(int(sys.argv[1]), int(sys.argv[2]))))
