// Unary calls, health and reflection through grpc-go, and its PINGs, like ../../streams.py, which explains them.
// It is in the ADS server's module, since it needs the same packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// grpcio's names of the codes
var names = map[string]string{"NotFound": "NOT_FOUND", "Unavailable": "UNAVAILABLE"}

func main() {
	// TARGET [CA]
	how := insecure.NewCredentials()
	if len(os.Args) > 2 {
		certificate, err := credentials.NewClientTLSFromFile(os.Args[2], "ratelimit")
		check(err)
		how = certificate
	}
	// grpc-go sends no more than one in ten seconds
	pings := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 60 * time.Second, PermitWithoutStream: true}
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(how), grpc.WithKeepaliveParams(pings))
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Second)
	defer cancel()
	unary(ctx, service.NewRateLimitServiceClient(conn))
	checks(ctx, health.NewHealthClient(conn))
	reflectionV1(ctx, reflection.NewServerReflectionClient(conn))
	reflectionV1alpha(ctx, reflectionalpha.NewServerReflectionClient(conn))
	watch(ctx, health.NewHealthClient(conn))
}

func unary(ctx context.Context, client service.RateLimitServiceClient) {
	entry := &ratelimit.RateLimitDescriptor_Entry{Key: "path", Value: "/"}
	request := &service.RateLimitRequest{
		Domain:      "edge",
		Descriptors: []*ratelimit.RateLimitDescriptor{{Entries: []*ratelimit.RateLimitDescriptor_Entry{entry}}},
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 25 {
				answer, err := client.ShouldRateLimit(ctx, request)
				check(err)
				if answer.OverallCode != service.RateLimitResponse_OK {
					check(errors.New(answer.OverallCode.String()))
				}
			}
		})
	}
	callers.Wait()
	fmt.Println("unary: 200 OK")
}

func checks(ctx context.Context, client health.HealthClient) {
	for _, name := range []string{"", "ratelimit", "other"} {
		answer, err := client.Check(ctx, &health.HealthCheckRequest{Service: name})
		if err != nil {
			fmt.Printf("check %q: %s\n", name, names[status.Code(err).String()])
		} else {
			fmt.Printf("check %q: %s\n", name, answer.Status)
		}
	}
}

const name = "envoy.service.ratelimit.v3.RateLimitService"

// Requests the list of services and then the file of one, in one stream, and closes it.
func reflectionV1(ctx context.Context, client reflection.ServerReflectionClient) {
	stream, err := client.ServerReflectionInfo(ctx)
	check(err)
	check(stream.Send(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{},
	}))
	answer, err := stream.Recv()
	check(err)
	knows := strings.Contains(answer.GetListServicesResponse().String(), name)
	check(stream.Send(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	}))
	answer, err = stream.Recv()
	check(err)
	files := len(answer.GetFileDescriptorResponse().GetFileDescriptorProto())
	check(stream.CloseSend())
	_, err = stream.Recv()
	fmt.Printf("reflection v1: %t %t %t\n", knows, files > 0, err == io.EOF)
}

func reflectionV1alpha(ctx context.Context, client reflectionalpha.ServerReflectionClient) {
	stream, err := client.ServerReflectionInfo(ctx)
	check(err)
	check(stream.Send(&reflectionalpha.ServerReflectionRequest{
		MessageRequest: &reflectionalpha.ServerReflectionRequest_ListServices{},
	}))
	answer, err := stream.Recv()
	check(err)
	knows := strings.Contains(answer.GetListServicesResponse().String(), name)
	check(stream.Send(&reflectionalpha.ServerReflectionRequest{
		MessageRequest: &reflectionalpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	}))
	answer, err = stream.Recv()
	check(err)
	files := len(answer.GetFileDescriptorResponse().GetFileDescriptorProto())
	check(stream.CloseSend())
	_, err = stream.Recv()
	fmt.Printf("reflection v1alpha: %t %t %t\n", knows, files > 0, err == io.EOF)
}

// Prints each status, and the one that the stream ends with.
func watch(ctx context.Context, client health.HealthClient) {
	stream, err := client.Watch(ctx, &health.HealthCheckRequest{Service: "ratelimit"})
	check(err)
	for {
		answer, err := stream.Recv()
		if err != nil {
			fmt.Printf("watch: %s\n", names[status.Code(err).String()])
			return
		}
		fmt.Println("watch:", answer.Status)
	}
}
