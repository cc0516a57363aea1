package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	otlpcommon "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // for UseCompressor
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/types/detect"
)

var (
	otlpHTTPKind = kind{
		schemes: []string{"otlp+http", "otlp+https"}, form: "otlp+http://host:4318", doc: "logs of OpenTelemetry, by HTTP",
		example: "otlp+http://localhost:4318", parameters: posted, batch: 500,
		check: func(d *Destination) error {
			if d.path == "" || d.path == "/" {
				d.path = "/v1/logs"
			}
			return wantsHosts(1, "4318")(d)
		},
		open: func(d *Destination, c Config) (courier.Carrier, error) {
			poster, err := d.poster(d.path, "application/x-protobuf")
			if err != nil {
				return nil, err
			}
			return &otlpPoster{poster, otlpResource(c)}, nil
		},
	}
	otlpGRPCKind = kind{
		schemes: []string{"otlp+grpc", "otlp+grpcs"}, form: "otlp+grpc://host:4317", doc: "the same, by gRPC; +grpcs with TLS",
		example: "otlp+grpc://localhost:4317", parameters: posted, batch: 500,
		check: func(d *Destination) error {
			if d.path != "" {
				return errors.New("gRPC has no paths")
			}
			return wantsHosts(1, "4317")(d)
		},
		open: openOTLP,
	}
)

func otlpText(key, value string) *otlpcommon.KeyValue {
	return &otlpcommon.KeyValue{Key: key, Value: &otlpcommon.AnyValue{Value: &otlpcommon.AnyValue_StringValue{StringValue: value}}}
}

func otlpResource(c Config) *resource.Resource {
	attributes := []*otlpcommon.KeyValue{otlpText("service.name", "tracee")}
	if c.Product.Version != "" {
		attributes = append(attributes, otlpText("service.version", c.Product.Version))
	}
	if c.Product.Host != "" {
		attributes = append(attributes, otlpText("host.name", c.Product.Host))
	}
	return &resource.Resource{Attributes: attributes}
}

// otlpLevels are severity numbers for detect.Severities; events are informational.
var otlpLevels = []logs.SeverityNumber{
	logs.SeverityNumber_SEVERITY_NUMBER_INFO, logs.SeverityNumber_SEVERITY_NUMBER_INFO2, logs.SeverityNumber_SEVERITY_NUMBER_WARN,
	logs.SeverityNumber_SEVERITY_NUMBER_ERROR, logs.SeverityNumber_SEVERITY_NUMBER_FATAL,
}

// otlpRequest is a batch as the collector takes it: LogsData is an ExportLogsServiceRequest, byte for byte. The package of the
// latter would bring a gateway with it.
func otlpRequest(from *resource.Resource, texts [][]byte) *logs.LogsData {
	now := uint64(time.Now().UnixNano())
	records := make([]*logs.LogRecord, len(texts))
	for i, text := range texts {
		m := messageOf(text)
		record := &logs.LogRecord{
			TimeUnixNano: uint64(m.time.UnixNano()), ObservedTimeUnixNano: now, EventName: m.name,
			SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_INFO,
			Body:           &otlpcommon.AnyValue{Value: &otlpcommon.AnyValue_StringValue{StringValue: string(m.text)}},
			Attributes:     []*otlpcommon.KeyValue{otlpText("event.name", m.name), otlpText("tracee.kind", "event")},
		}
		if m.finding {
			record.Attributes[1] = otlpText("tracee.kind", "finding")
		}
		if m.level >= 0 && m.level < len(otlpLevels) {
			record.SeverityNumber, record.SeverityText = otlpLevels[m.level], detect.Severities[m.level]
		}
		records[i] = record
	}
	return &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{
		Resource: from,
		ScopeLogs: []*logs.ScopeLogs{{
			Scope: &otlpcommon.InstrumentationScope{Name: "tracee"}, LogRecords: records,
		}},
	}}}
}

// otlpVerdict reads how many records were refused: of an ExportLogsServiceResponse the message in field 1, of that the number
// in field 1 and the reason in field 2. What can not be read says that all is well, as the status did.
func otlpVerdict(response []byte) error {
	var refused uint64
	reason := ""
	eachField(response, func(field protowire.Number, _ uint64, partial []byte) {
		if field != 1 {
			return
		}
		eachField(partial, func(field protowire.Number, number uint64, text []byte) {
			switch field {
			case 1:
				refused = number
			case 2:
				reason = string(text)
			}
		})
	})
	if refused > 0 && refused < 1<<31 {
		return &courier.Partial{Refused: int(refused), Err: errors.New("records refused: " + reason)}
	}
	return nil
}

// eachField calls visit with the numbers and bytes of a message of protobuf, as far as it can be read.
func eachField(b []byte, visit func(field protowire.Number, number uint64, bytes []byte)) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return
		}
		visit(field, number, bytes)
		b = b[n:]
	}
}

type otlpPoster struct {
	*courier.Poster
	resource *resource.Resource
}

func (p *otlpPoster) Carry(ctx context.Context, texts [][]byte) error {
	body, err := proto.Marshal(otlpRequest(p.resource, texts))
	if err != nil {
		return &courier.Refusal{Reason: err.Error()}
	}
	answer, err := p.Send(ctx, body)
	if err != nil {
		return err
	}
	return otlpVerdict(answer)
}

const otlpMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

type otlpCaller struct {
	name       string
	headers    string // file
	resource   *resource.Resource
	connection *grpc.ClientConn
	options    []grpc.CallOption
}

func openOTLP(d *Destination, c Config) (courier.Carrier, error) {
	transport := insecure.NewCredentials()
	if d.secure() {
		config, err := d.options.tls.Config(d.Name)
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	if _, err := courier.Headers(d.Name, d.options.headers); err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient("dns:///"+d.address, grpc.WithTransportCredentials(transport)) // it connects when it is needed
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	g := &otlpCaller{name: d.Name, headers: d.options.headers, resource: otlpResource(c), connection: connection}
	if d.options.compress {
		g.options = append(g.options, grpc.UseCompressor("gzip"))
	}
	return g, nil
}

func (g *otlpCaller) Carry(ctx context.Context, texts [][]byte) error {
	headers, err := courier.Headers(g.name, g.headers)
	if err != nil {
		return err
	}
	for name, values := range headers {
		for _, value := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
	}
	var response emptypb.Empty // what it does not know of it keeps
	err = g.connection.Invoke(ctx, otlpMethod, otlpRequest(g.resource, texts), &response, g.options...)
	switch status.Code(err) {
	case codes.OK:
		return otlpVerdict(response.ProtoReflect().GetUnknown())
	case codes.InvalidArgument, codes.Unimplemented, codes.Internal, codes.Unknown, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition:
		return &courier.Refusal{Reason: err.Error()} // as the protocol has it
	default:
		return err
	}
}

func (g *otlpCaller) Close() error { return g.connection.Close() }
