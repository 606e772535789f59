"""Calls ShouldRateLimit through grpcio with each authority, several times per channel.

usage: authorities.py ADDRESS AUTHORITY...
"""

import sys

import grpc

# RateLimitRequest{domain: "edge", descriptors: [{entries: [{key: "path", value: "/flip"}]}]}
REQUEST = b"\x0a\x04edge\x12\x0f\x0a\x0d\x0a\x04path\x12\x05/flip"
# overall_code: OK is the first field of the response
OK = b"\x08\x01"


def main():
    address, authorities = sys.argv[1], [None, *sys.argv[2:]]
    answered = 0
    for authority in authorities:
        options = [("grpc.use_local_subchannel_pool", 1)]
        if authority is not None:
            options.append(("grpc.default_authority", authority))
        with grpc.insecure_channel(address, options=options) as channel:
            ask = channel.unary_unary("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
            answers = [ask(REQUEST, timeout=120) for _ in range(5)]
        assert all(answer.startswith(OK) for answer in answers), f"{authority}: {answers}"
        answered += 1
    print(answered, "answered")


main()
