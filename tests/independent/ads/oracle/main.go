// A rate limit service with grpc-go, like envoyproxy/ratelimit. Tollgate's behaviour on a connection is compared to it.
// It is in the ADS server's module, since it needs the same packages.
//
// It prints its address, and exits when standard input ends. It has no limits: each descriptor is OK.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	// registers it
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

type limiter struct {
	service.UnimplementedRateLimitServiceServer
}

func (limiter) ShouldRateLimit(_ context.Context, request *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	// the same status as Tollgate's: the handling of messages is not compared
	if request.Domain == "" || len(request.Descriptors) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no domain, or no descriptors")
	}
	answer := &service.RateLimitResponse{OverallCode: service.RateLimitResponse_OK}
	for range request.Descriptors {
		decided := &service.RateLimitResponse_DescriptorStatus{Code: service.RateLimitResponse_OK}
		answer.Statuses = append(answer.Statuses, decided)
	}
	return answer, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr())
	server := grpc.NewServer()
	service.RegisterRateLimitServiceServer(server, limiter{})
	checks := health.NewServer()
	checks.SetServingStatus("ratelimit", healthv1.HealthCheckResponse_SERVING)
	healthv1.RegisterHealthServer(server, checks)
	reflection.Register(server)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		check(err)
		server.Stop()
	}()
	check(server.Serve(listener))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
