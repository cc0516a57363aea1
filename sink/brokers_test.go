package sink

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// collector takes logs of OpenTelemetry, by HTTP and by gRPC.
type collector struct {
	mu      sync.Mutex
	records []*logs.LogRecord
	from    string
	secret  string
	calls   int
	trouble func(call int) codes.Code
	refuse  int64 // how many records are said to be refused
}

// export is the one method of LogsService.
func (c *collector) export(request *logs.LogsData, secret string) (codes.Code, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.trouble != nil {
		if code := c.trouble(c.calls); code != codes.OK {
			return code, nil
		}
	}
	c.secret = secret
	for _, r := range request.ResourceLogs {
		for _, a := range r.Resource.Attributes {
			c.from += a.Key + "=" + a.Value.GetStringValue() + " "
		}
		for _, s := range r.ScopeLogs {
			c.records = append(c.records, s.LogRecords...)
		}
	}
	if c.refuse == 0 {
		return codes.OK, nil
	}
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(c.refuse))
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), "too old")
	return codes.OK, protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request logs.LogsData
	if err := proto.Unmarshal(body(r), &request); err != nil || r.URL.Path != "/v1/logs" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no request of OTLP", http.StatusBadRequest)
		return
	}
	code, answer := c.export(&request, r.Header.Get("Authorization"))
	if code != codes.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(answer)
}

// serveGRPC serves the collector, and returns its address.
func (c *collector) serveGRPC(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.logs.v1.LogsService",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var request logs.LogsData
			if err := decode(&request); err != nil {
				return nil, err
			}
			headers, _ := metadata.FromIncomingContext(ctx)
			code, answer := c.export(&request, strings.Join(headers.Get("authorization"), ""))
			if code != codes.OK {
				return nil, status.Error(code, "trouble")
			}
			response := &emptypb.Empty{}
			response.ProtoReflect().SetUnknown(answer)
			return response, nil
		}}},
	}, c)
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	return listener.Addr().String()
}

// serve returns the address of the collector.
func (c *collector) serve(t *testing.T, scheme string) string {
	t.Helper()
	if scheme == "otlp+grpc" {
		return c.serveGRPC(t)
	}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return address(s)
}

func TestCollectorsOfOpenTelemetryGetLogs(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(secret, []byte("Authorization: Bearer s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"otlp+http", "otlp+grpc"} {
		t.Run(scheme, func(t *testing.T) {
			c := &collector{trouble: func(call int) codes.Code { return []codes.Code{codes.Unavailable, codes.OK}[min(call-1, 1)] }}
			s := open(t, scheme+"://"+c.serve(t, scheme)+"?select=all&gzip=true&headers="+secret)
			s.Event(event("/x", 1))
			s.Finding(findingOf(event("/x", 2), 3))
			s.Close()
			if stats := s.Stats()[0]; stats.Sent != 2 || stats.Retried == 0 {
				t.Errorf("%+v", stats)
			}
			if len(c.records) != 2 || !strings.Contains(c.from, "service.name=tracee") || !strings.Contains(c.from, "host.name=machine") || c.secret != "Bearer s3cret" {
				t.Fatalf("%d records from %s, %q", len(c.records), c.from, c.secret)
			}
			e, f := c.records[0], c.records[1]
			if e.TimeUnixNano != 1 || e.EventName != "openat" || !strings.HasPrefix(e.Body.GetStringValue(), `{"timestamp":1,`) || e.SeverityNumber != 9 {
				t.Errorf("event: %v", e)
			}
			if f.SeverityText != "high" || f.SeverityNumber != 17 || !strings.Contains(f.Body.GetStringValue(), `"id":"T-1"`) {
				t.Errorf("finding: %v", f)
			}
		})
		t.Run(scheme+" refuses some", func(t *testing.T) {
			c := &collector{refuse: 1}
			s := open(t, scheme+"://"+c.serve(t, scheme)+"?select=events")
			s.Event(event("/x", 1))
			s.Event(event("/x", 2))
			s.Close()
			if stats := s.Stats()[0]; stats.Sent != 1 || stats.Refused != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestKafkaGetsAllAfterItsReturn(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "tracee"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(secret, []byte("me:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	brokers := strings.Join(cluster.ListenAddrs(), ",")
	s := open(t, "kafka://"+brokers+"/tracee?select=events&batch=50&sasl=scram-sha-256&credentials="+secret)
	for i := range 500 {
		s.Event(event("/x", i))
	}
	wait(t, "all of it", func() bool { return s.Stats()[0].Sent == 500 })
	s.Close()

	mechanism := mechanisms["scram-sha-256"]("me", "secret")
	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.SASL(mechanism), kgo.ConsumeTopics("tracee"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var got []string
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for len(got) < 500 && ctx.Err() == nil {
		reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			got = append(got, string(r.Value))
			if string(r.Headers[0].Value) != "openat" {
				t.Errorf("headers: %v", r.Headers)
			}
		})
	}
	if !slices.Equal(stamps(t, got), counting(500)) {
		t.Errorf("got %d records", len(got))
	}
}

// natsServer is a server with JetStream.
func natsServer(t *testing.T, port int, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true, Username: "me", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

func TestNATSKeepsEachMessageOnceAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	broker := natsServer(t, -1, dir)
	port := broker.Addr().(*net.TCPAddr).Port
	where := broker.Addr().String()
	secret := filepath.Join(dir, "credentials")
	if err := os.WriteFile(secret, []byte("me:secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "nats://"+where+"/tracee.events?select=events&batch=20&timeout=2s&credentials="+secret)
	s.Event(event("/x", 0))
	wait(t, "to miss a stream", func() bool { return s.Stats()[0].Retried > 0 })

	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	connection, err := nats.Connect(where, nats.UserInfo("me", "secret"), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	stream, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateStream(ctx, jetstream.StreamConfig{Name: "tracee", Subjects: []string{"tracee.>"}}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 100; i++ {
		s.Event(event("/x", i))
	}
	wait(t, "the first", func() bool { return s.Stats()[0].Sent == 100 })
	broker.Shutdown()
	broker.WaitForShutdown()
	for i := 100; i < 200; i++ {
		s.Event(event("/x", i))
	}
	time.Sleep(300 * time.Millisecond)
	broker = natsServer(t, port, dir)
	defer broker.Shutdown()
	wait(t, "the rest", func() bool { return s.Stats()[0].Sent == 200 })
	s.Close()

	numbers := stamps(t, stored(ctx, t, stream, 200))
	slices.Sort(numbers) // a message that is sent again comes later
	if !slices.Equal(numbers, counting(200)) {
		t.Errorf("got %d messages: %v", len(numbers), numbers)
	}
}

// stored reads so many messages of the stream.
func stored(ctx context.Context, t *testing.T, stream jetstream.JetStream, number int) (got []string) {
	t.Helper()
	consumer, err := stream.OrderedConsumer(ctx, "tracee", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for len(got) < number && ctx.Err() == nil {
		batch, err := consumer.Fetch(number-len(got), jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			got = append(got, string(m.Data()))
		}
	}
	return got
}

func TestCredentialsThatCanNotBeReadAreErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"kafka://127.0.0.1:1/t?sasl=plain&credentials=" + empty: "want user:password",
		"kafka://127.0.0.1:1/t?sasl=plain&credentials=/nowhere": "no such file",
		"nats://127.0.0.1:1/t?credentials=/nowhere":             "no such file",
		"kafka+tls://127.0.0.1:1/t?ca=" + empty:                 "holds none in the form of PEM",
		"nats+tls://127.0.0.1:1/t?ca=/nowhere":                  "no such file",
		"otlp+grpcs://127.0.0.1:1?cert=" + empty:                "go together",
		"otlp+grpc://127.0.0.1:1?headers=/nowhere":              "no such file",
		"webhook+https://127.0.0.1:1/?headers=/nowhere":         "no such file",
		"syslog+tls://127.0.0.1:1?ca=/nowhere":                  "no such file",
	} {
		_, err := Open([]*Destination{parsed(t, url)}, Config{Findings: true, Log: quiet})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", url, err)
		}
		if errors.Is(err, os.ErrNotExist) != (want == "no such file") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
