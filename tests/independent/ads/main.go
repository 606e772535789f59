// An ADS server that shares no code with Tollgate: Envoy's go-control-plane, configured as in Envoy Gateway.
//
// It prints its address, and then each request that it receives, as a line of JSON. A line of JSON on standard input
// sets the snapshot of a node; the end of standard input ends the server.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/ratelimit/config/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protojson"
)

// A command: the new snapshot of a node, its resources in proto3 JSON.
type command struct {
	Node      string
	Version   string
	Resources []json.RawMessage
}

// A client's request.
type said struct {
	Node    string `json:"node"`
	Version string `json:"version"`
	Nonce   string `json:"nonce"`
	Error   string `json:"error"`
}

var (
	certificate = flag.String("cert", "", "certificate chain of the server; requires client certificates issued by -ca")
	key         = flag.String("key", "", "key of the certificate")
	ca          = flag.String("ca", "", "authority of clients")
)

func main() {
	flag.Parse()
	snapshots := cache.NewSnapshotCache(false, cache.IDHash{}, nil)
	var printing sync.Mutex
	output := json.NewEncoder(os.Stdout)
	callbacks := server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			printing.Lock()
			defer printing.Unlock()
			return output.Encode(said{
				Node:    request.GetNode().GetId(),
				Version: request.GetVersionInfo(),
				Nonce:   request.GetResponseNonce(),
				Error:   request.GetErrorDetail().GetMessage(),
			})
		},
	}
	ctx := context.Background()
	service := grpc.NewServer(options()...)
	discovery.RegisterAggregatedDiscoveryServiceServer(service, server.NewServer(ctx, snapshots, callbacks))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr())
	go func() { check(service.Serve(listener)) }()

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		var command command
		check(json.Unmarshal(lines.Bytes(), &command))
		resources := make([]types.Resource, 0, len(command.Resources))
		for _, text := range command.Resources {
			config := &ratelimit.RateLimitConfig{}
			check(protojson.Unmarshal(text, config))
			resources = append(resources, config)
		}
		all := map[resource.Type][]types.Resource{resource.RateLimitConfigType: resources}
		snapshot, err := cache.NewSnapshot(command.Version, all)
		check(err)
		check(snapshots.SetSnapshot(ctx, command.Node, snapshot))
	}
	check(lines.Err())
}

func options() []grpc.ServerOption {
	if *certificate == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	check(err)
	pem, err := os.ReadFile(*ca)
	check(err)
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		log.Fatalf("no certificate in %s", *ca)
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		MinVersion:   tls.VersionTLS13,
	}))}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
