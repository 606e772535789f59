// Large and compressed calls of ShouldRateLimit through grpc-go, like ../../sizes.py, which explains them.
// It is in the ADS server's module, since it needs the same packages.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcio's names of the codes
var names = map[string]string{"OK": "OK", "ResourceExhausted": "RESOURCE_EXHAUSTED", "Unimplemented": "UNIMPLEMENTED"}

func main() {
	// TARGET SALT [CA], or an ADDRESS for the sizes
	if len(os.Args) > 2 {
		inputs(os.Args[1], os.Args[2], strings.Join(os.Args[3:], ""))
		return
	}
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	client := service.NewRateLimitServiceClient(conn)
	call := func(name string, size int, metadataKiB int, options ...grpc.CallOption) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if metadataKiB > 0 {
			ctx = metadata.AppendToOutgoingContext(ctx, "tracestate", strings.Repeat("x", metadataKiB<<10))
		}
		entry := &ratelimit.RateLimitDescriptor_Entry{Key: "path", Value: strings.Repeat("x", size)}
		request := &service.RateLimitRequest{
			Domain:      "shop",
			Descriptors: []*ratelimit.RateLimitDescriptor{{Entries: []*ratelimit.RateLimitDescriptor_Entry{entry}}},
		}
		_, err := client.ShouldRateLimit(ctx, request, options...)
		code := status.Code(err).String()
		if known, ok := names[code]; ok {
			code = known
		}
		fmt.Printf("%s: %s\n", name, code)
	}
	compressed := grpc.UseCompressor(gzip.Name)
	call("plain", 1, 0)
	call("gzip", 1000, 0, compressed)
	call("gzip of 4 MB", 4_000_000, 0, compressed)
	call("gzip of 5 MB", 5_000_000, 0, compressed)
	call("4 MB", 4_000_000, 0)
	call("5 MB", 5_000_000, 0)
	for _, kib := range []int{20, 64, 200, 900} {
		call(fmt.Sprintf("%d KiB of metadata", kib), 1, kib)
	}
}
