package trace

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"math/bits"
)

// The structs of v0.8's gob stream. Gob matches fields by name; what comes after Args is not v0.8's, whose
// decoder ignores it.
type gobEvent struct {
	Timestamp           int
	ThreadStartTime     int
	ProcessorID         int
	ProcessID           int
	CgroupID            uint
	ThreadID            int
	ParentProcessID     int
	HostProcessID       int
	HostThreadID        int
	HostParentProcessID int
	UserID              int
	MountNS             int
	PIDNS               int
	ProcessName         string
	HostName            string
	ContainerID         string
	ContainerImage      string
	ContainerName       string
	PodName             string
	PodNamespace        string
	PodUID              string
	EventID             int
	EventName           string
	ArgsNum             int
	ReturnValue         int
	StackAddresses      []uint64
	ContextFlags        ContextFlags
	Args                []Argument
	ThreadEntityID      uint64
	ProcessEntityID     uint64
	ParentEntityID      uint64

	ContainerImageDigest string
	ContainerRuntime     string

	Executable      gobFile
	Rung            string
	Compat          bool
	Via             string
	Errno           string
	StackSymbols    []string
	MatchedPolicies []string
	Truncated       []string
	Bytes           map[string][]byte // see jsonlost.go
}

// gobFile is the executable, in a struct as in JSON.
type gobFile struct{ Path string }

// gobDocument carries a JSON text that no Go type of v0.8 stands for.
type gobDocument []byte

// Names under which values travel inside of arguments.
const (
	gobPackage      = "github.com/aquasecurity/tracee/types/trace."
	gobCredName     = gobPackage + "SlimCred"
	gobPktMetaName  = gobPackage + "PktMeta"
	gobDocumentName = "github.com/tracee-go/tracee/types/trace.Document"
	gobPairName     = "[2]int32" // v0.8 registers no name for it and loses the events of pipe and socketpair
)

func init() {
	gob.RegisterName(gobCredName, SlimCred{})
	gob.RegisterName(gobPktMetaName, PktMeta{})
	gob.RegisterName("map[string]string", map[string]string{})
	gob.RegisterName("[]trace.HookedSymbolData", []HookedSymbolData{})
	gob.RegisterName("map[string]trace.HookedSymbolData", map[string]HookedSymbolData{})
	gob.RegisterName("[]trace.DnsQueryData", []DnsQueryData{})
	gob.RegisterName("[]trace.DnsResponseData", []DnsResponseData{})
	for name, value := range map[string]any{
		"PacketMetadata": PacketMetadata{}, "ProtoIPv4": ProtoIPv4{}, "ProtoIPv6": ProtoIPv6{}, "ProtoTCP": ProtoTCP{},
		"ProtoUDP": ProtoUDP{}, "ProtoICMP": ProtoICMP{}, "ProtoICMPv6": ProtoICMPv6{}, "ProtoDNS": ProtoDNS{},
		"ProtoHTTP": ProtoHTTP{}, "ProtoHTTPRequest": ProtoHTTPRequest{}, "ProtoHTTPResponse": ProtoHTTPResponse{},
	} {
		gob.RegisterName(gobPackage+name, value)
	}
	gob.RegisterName(gobPairName, [2]int32{})
	gob.RegisterName(gobDocumentName, gobDocument{})
}

// GobWriter writes events as one gob stream, in the structs and under the names of v0.8.
type GobWriter struct {
	to      io.Writer
	message []byte
	scratch []byte
	begun   bool

	// Events with documents are left to encoding/gob, which also defines the types.
	encoder *gob.Encoder
	encoded bytes.Buffer
	event   gobEvent
}

// NewGobWriter returns a writer of a stream that begins here.
func NewGobWriter(to io.Writer) *GobWriter {
	w := &GobWriter{to: to}
	w.encoder = gob.NewEncoder(&w.encoded)
	return w
}

// Write writes one event. Arguments without a value are left out, because gob cannot hold them.
func (w *GobWriter) Write(e *Event) error {
	if !w.begun {
		if err := w.begin(); err != nil {
			return err
		}
		w.begun = true
	}
	if e.hasDocument() {
		return w.writeDocuments(e)
	}
	const room = 9 // for the length
	if cap(w.message) < room {
		w.message = make([]byte, room, 1024)
	}
	w.message, w.scratch = e.appendGobEvent(w.message[:room], w.scratch)
	var length [room]byte
	n := len(appendGobUint(length[:0], uint64(len(w.message)-room)))
	whole := w.message[room-n:]
	copy(whole, length[:n])
	_, err := w.to.Write(whole)
	w.message, w.scratch = emptied(w.message), emptied(w.scratch)
	return err
}

// begin defines the types of all events without documents.
func (w *GobWriter) begin() error {
	for _, value := range gobTypes {
		if err := w.encoder.Encode(value); err != nil {
			return fmt.Errorf("gob: %w", err)
		}
	}
	_, err := w.to.Write(gobDefinitions(w.encoded.Bytes()))
	w.encoded.Reset()
	return err
}

func (e *Event) hasDocument() bool {
	for rest := e.present; rest != 0; rest &= rest - 1 {
		if e.schema.Fields[bits.TrailingZeros64(rest)].Type.Kind == Document {
			return true
		}
	}
	return false
}

// writeDocuments writes an event by encoding/gob. What it has written of an event that fails are definitions of types,
// which it does not write again.
func (w *GobWriter) writeDocuments(e *Event) error {
	w.event = gobEvent{
		Timestamp: e.Timestamp, ThreadStartTime: e.ThreadStartTime, ProcessorID: e.ProcessorID, ProcessID: e.ProcessID,
		CgroupID: e.CgroupID, ThreadID: e.ThreadID, ParentProcessID: e.ParentProcessID, HostProcessID: e.HostProcessID,
		HostThreadID: e.HostThreadID, HostParentProcessID: e.HostParentProcessID, UserID: e.UserID, MountNS: e.MountNS,
		PIDNS: e.PIDNS, ProcessName: e.ProcessName, HostName: e.HostName, ContainerID: e.ContainerID,
		ContainerImage: e.ContainerImage, ContainerName: e.ContainerName, PodName: e.PodName, PodNamespace: e.PodNamespace,
		PodUID: e.PodUID, EventID: e.EventID, EventName: e.EventName, ReturnValue: e.ReturnValue,
		StackAddresses: e.StackAddresses, ContextFlags: e.ContextFlags,
		ThreadEntityID: e.ThreadEntityID, ProcessEntityID: e.ProcessEntityID, ParentEntityID: e.ParentEntityID,
		ContainerImageDigest: e.ContainerImageDigest, ContainerRuntime: e.ContainerRuntime,
		Executable: gobFile{e.Executable},
		Args:       w.event.Args[:0], Rung: e.Rung.String(), Compat: e.Compat, Via: e.Via, Errno: e.Errno, StackSymbols: e.StackSymbols, MatchedPolicies: e.MatchedPolicies, Truncated: w.event.Truncated[:0],
	}
	for a := range e.All() {
		if value := gobValue(a); value != nil {
			meta := ArgMeta{Name: a.Name(), Type: a.TypeName()}
			w.event.Args = append(w.event.Args, Argument{ArgMeta: meta, Value: value})
		}
	}
	w.event.ArgsNum = len(w.event.Args)
	for rest := e.truncated & e.present; rest != 0; rest &= rest - 1 {
		w.event.Truncated = append(w.event.Truncated, e.schema.Fields[bits.TrailingZeros64(rest)].Name)
	}
	e.lostSockaddrs(func(a Arg) {
		if w.event.Bytes == nil {
			w.event.Bytes = map[string][]byte{}
		}
		w.event.Bytes[argumentKey+a.Name()] = a.Raw()
	})
	encodeErr := w.encoder.Encode(&w.event)
	_, err := w.to.Write(w.encoded.Bytes())
	w.encoded.Reset()
	if encodeErr != nil {
		return fmt.Errorf("gob: event %s: %w", e.EventName, encodeErr)
	}
	return err
}

// gobValue is the value of an argument as a type that gob knows.
func gobValue(a Arg) any {
	if a.Type().Kind != Document {
		return a.Value()
	}
	if decode, ok := documentTypes[a.Type().Name]; ok {
		if v, err := decode(a.Raw()); err == nil {
			return v
		}
	}
	return gobDocument(a.Raw())
}
