"""A rate limit service that shares no code with ours: grpcio, with responses as bytes. The first COUNT requests are OK,
the others over the limit. Prints its port, and exits when standard input ends.

    server.py COUNT
"""

import itertools
import sys
from concurrent import futures

import grpc

METHOD = "envoy.service.ratelimit.v3.RateLimitService"
# RateLimitResponse{overall_code: OK} and OVER_LIMIT
OK, OVER_LIMIT = b"\x08\x01", b"\x08\x02"


def main() -> None:
    count = int(sys.argv[1])
    numbers = itertools.count()

    def answer(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        return OK if next(numbers) < count else OVER_LIMIT

    handlers = {"ShouldRateLimit": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(METHOD, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


main()
