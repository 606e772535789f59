// Sends inputs through grpc-go that were once rejected, like ../../inputs.py, which explains them.
package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

var authorities = []string{
	"outbound|8081||ratelimit.default.svc.cluster.local",
	"extension/ns/name",
	"ai_gateway_x",
	"%2Frun%2Fgrpc.sock",
}

// passes bytes on unchanged, since protobuf refuses to send a string that is not UTF-8
type raw struct{}

func (raw) Marshal(message any) ([]byte, error) { return message.([]byte), nil }
func (raw) Name() string                        { return "proto" }
func (raw) Unmarshal(data []byte, answer any) error {
	return proto.Unmarshal(data, answer.(proto.Message))
}

// replaced by a byte that is not UTF-8 once the message is encoded
const placeholder = "caf#"

func marshal(pairs ...string) []byte {
	request := &service.RateLimitRequest{Domain: "edge"}
	for i := 0; i < len(pairs); i += 2 {
		entry := &ratelimit.RateLimitDescriptor_Entry{Key: pairs[i], Value: pairs[i+1]}
		request.Descriptors = append(request.Descriptors, &ratelimit.RateLimitDescriptor{
			Entries: []*ratelimit.RateLimitDescriptor_Entry{entry},
		})
	}
	message, err := proto.Marshal(request)
	if err != nil {
		panic(err)
	}
	return []byte(strings.Replace(string(message), placeholder, "caf\xe9", 1))
}

// TLS to `ratelimit`, whatever the authority
type named struct{ credentials.TransportCredentials }

func (n named) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return n.TransportCredentials.ClientHandshake(ctx, "ratelimit", conn)
}

func (n named) Clone() credentials.TransportCredentials { return named{n.TransportCredentials.Clone()} }

func inputs(target, salt, ca string) {
	call := func(name string, message []byte, authority, state string, options ...grpc.CallOption) {
		how := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
		if ca != "" {
			certificate, err := credentials.NewClientTLSFromFile(ca, "")
			if err != nil {
				panic(err)
			}
			how[0] = grpc.WithTransportCredentials(named{certificate})
		}
		if authority != "" {
			how = append(how, grpc.WithAuthority(authority))
		}
		conn, err := grpc.NewClient(target, how...)
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if state != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "tracestate", state)
		}
		fmt.Printf("%s:", name)
		for range 2 {
			answer := &service.RateLimitResponse{}
			options := append([]grpc.CallOption{grpc.ForceCodec(raw{})}, options...)
			err := conn.Invoke(ctx, service.RateLimitService_ShouldRateLimit_FullMethodName, message, answer, options...)
			if err != nil {
				fmt.Printf(" %v", err)
			} else {
				fmt.Printf(" %s", answer.OverallCode)
			}
		}
		fmt.Println()
	}
	path := func(name string) []byte { return marshal("path", salt+name) }
	for _, authority := range authorities {
		call("authority "+authority, path(authority), authority, "")
	}
	call("a byte that is not UTF-8", marshal("agent", salt+placeholder), "", "")
	large := salt + strings.Repeat("x", 56_000)
	call("56 kB five times", marshal("big", large, "b", large, "c", large, "d", large, "e", large), "", "")
	for _, kilobytes := range []int{20, 70} {
		name := fmt.Sprint(kilobytes)
		call(name+" kB of tracestate", path(name), "", strings.Repeat("x", kilobytes*1000))
	}
	call("gzip", path("gzip"), "", "", grpc.UseCompressor(gzip.Name))
}
