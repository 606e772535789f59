"""Calls ShouldRateLimit through grpcio, an implementation that shares no code with ours.

load.py ADDRESS SECONDS CALLS THREADS: makes calls for at least this time, and at least this many. Prints
"CALLS FAILED" and, for each kind of failure, a line.
"""

import collections
import sys
import threading
import time

import grpc

# RateLimitRequest{domain: "edge", descriptors: [{entries: [{key: "path", value: "/flip"}]}]}
REQUEST = b"\x0a\x04edge\x12\x0f\x0a\x0d\x0a\x04path\x12\x05/flip"
# overall_code: OK is the first field of the response
OK = b"\x08\x01"


def call(address, until, least, calls, failures):
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = channel.unary_unary("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
        while time.monotonic() < until or len(calls) < least:
            calls.append(1)
            try:
                answer = ask(REQUEST, timeout=120)
                if not answer.startswith(OK):
                    failures.append(f"answer {answer!r}")
            except grpc.RpcError as error:
                failures.append(f"{error.code()}: {error.details()}")


def main():
    address, seconds, least, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    until = time.monotonic() + seconds
    calls, failures = [], []
    workers = [threading.Thread(target=call, args=(address, until, least, calls, failures)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(len(calls), len(failures))
    for failure, count in collections.Counter(failures).most_common(5):
        print(f"{count} × {failure}")


main()
