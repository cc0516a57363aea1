package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// capturing is a run of tracee that captures what children do.
type capturing struct {
	t       *testing.T
	dir     string
	stop    context.CancelFunc
	done    chan error
	summary tracee.Summary
	log     growing

	mu     sync.Mutex
	events []*trace.Event // artifact_captured
}

// The methods of output.Printer.
func (c *capturing) Preamble() error             { return nil }
func (c *capturing) Flush() error                { return nil }
func (c *capturing) Epilogue(output.Stats) error { return nil }
func (c *capturing) Close() error                { return nil }

func (c *capturing) Print(e *trace.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e.Clone())
	return nil
}

func startCapturing(t *testing.T, values ...string) *capturing {
	t.Helper()
	c := &capturing{t: t, dir: t.TempDir(), done: make(chan error, 1)}
	options, err := capture.Parse(append(values, "dir:"+c.dir))
	if err != nil {
		t.Fatal(err)
	}
	scope, err := filter.Parse([]string{"uts=" + hostName()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	ready := make(chan struct{})
	go func() {
		var err error
		c.summary, err = tracee.Run(ctx, tracee.Config{
			Filter: scope, Capture: options, Printer: c, Executables: true,
			Ready: func(*tracer.Tracer) error { close(ready); return nil },
			Log:   slog.New(slog.NewTextHandler(&c.log, nil)),
		})
		c.done <- err
	}()
	select {
	case <-ready:
	case err := <-c.done:
		t.Fatal(err)
	}
	return c
}

// act lets a child act in a directory, which it returns.
func (c *capturing) act(action string) (dir string, found findings) {
	c.t.Helper()
	child := spawn(c.t, action)
	dir = child.release(1, nil)
	found = child.finish()
	if found.Skip != "" {
		c.t.Skip(found.Skip)
	}
	return dir, found
}

// end ends the run, and returns what the manifest says in the end, by path of the original and, without one, by kind.
func (c *capturing) end() map[string]capture.Record {
	c.t.Helper()
	c.stop()
	if err := <-c.done; err != nil {
		c.t.Errorf("run: %v", err)
	}
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Logf("log: %s", &c.log)
		}
	})
	return c.manifest()
}

// artifact is what the manifest says last about one that is wanted.
func (c *capturing) artifact(wanted func(capture.Record) bool) (last capture.Record) {
	c.eachRecord(func(r capture.Record) {
		if wanted(r) {
			last = r
		}
	})
	return last
}

func (c *capturing) manifest() map[string]capture.Record {
	last := map[string]capture.Record{}
	c.eachRecord(func(r capture.Record) {
		key := r.Pathname
		if key == "" {
			key = r.Kind
		}
		last[key] = r
	})
	return last
}

func (c *capturing) eachRecord(each func(capture.Record)) {
	f, err := os.Open(filepath.Join(c.dir, "out", capture.ManifestName))
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r capture.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			c.t.Fatalf("%v: %s", err, lines.Bytes())
		}
		each(r)
	}
}

// content reads an artifact, which must be as the manifest says, and told of in the stream.
func (c *capturing) content(r capture.Record) []byte {
	c.t.Helper()
	if r.Artifact == "" {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(c.dir, "out", r.Artifact))
	if err != nil {
		c.t.Error(err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != r.SHA256 {
		c.t.Errorf("%s: the file has not the hash that the manifest has", r.Artifact)
	}
	waitFor(c.t, "an event that tells of "+r.Artifact, func() bool { return c.told(r) })
	return content
}

// told says whether an event tells of an artifact.
func (c *capturing) told(r capture.Record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.events, func(e *trace.Event) bool {
		name, named := e.Lookup("artifact")
		sum, summed := e.Lookup("sha256")
		return named && summed && name.Value() == r.Artifact && sum.Value() == r.SHA256 && e.ProcessEntityID == r.ProcessEntityID
	})
}

func TestFilesAreCapturedHoweverTheyAreWritten(t *testing.T) {
	c := startCapturing(t, "write="+os.TempDir()+"/*")
	for _, way := range writeWays {
		dir, _ := c.act("capture/" + way.name)
		path := filepath.Join(dir, "file")
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r capture.Record
		waitFor(t, way.name, func() bool { r = c.manifest()[path]; return r.State == capture.Captured })
		if got := c.content(r); !bytes.Equal(got, want) || !r.Complete {
			t.Errorf("%s: got %d bytes, complete %t (%s); want %d", way.name, len(got), r.Complete, r.Reason, len(want))
		}
	}
	c.end()
	if c.summary.Capture.Incomplete > 0 || c.summary.Capture.Lost > 0 {
		t.Errorf("got %+v", c.summary.Capture)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func TestWhatWasWrittenToAFileThatIsGoneIsCaptured(t *testing.T) {
	c := startCapturing(t, "write="+os.TempDir()+"/*")
	dir, _ := c.act("capture/gone")
	r := c.end()[filepath.Join(dir, "file")]
	if got := c.content(r); string(got) != goneText || !r.Complete {
		t.Errorf("got %q, %+v", got, r)
	}
}

// sorts are the texts that a child writes to files of different types.
var sorts = []string{"to a file", "\x7fELF", "to a pipe", "to stdout"}

func TestFiltersOfFiles(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"write:type=pipe", "to a pipe"},
		{"write:type=elf write=TMP*", "\x7fELF"},
		{"write:fd=stdout", "to stdout"},
		{"read:type=pipe", "to a pipe"},
		{"read=TMP*", "to a file"},
	} {
		t.Run(test.values, func(t *testing.T) {
			c := startCapturing(t, strings.Fields(strings.ReplaceAll(test.values, "TMP", os.TempDir()+"/"))...)
			c.act("capture/sorts")
			c.end()
			files, err := filepath.Glob(c.dir + "/out/host/*")
			var texts []string
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(sorts, string(text)) { // the child also reports through a pipe
					texts = append(texts, string(text))
				}
			}
			if err != nil || !slices.Equal(texts, []string{test.want}) {
				t.Errorf("got %q, %v; want %q", texts, err, test.want)
			}
		})
	}
}

func TestExecutedFilesAreCaptured(t *testing.T) {
	c := startCapturing(t, "profile")
	_, _ = c.act("capture/exec")
	records := c.end()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, r := range records {
		if r.Kind != "exec" || !strings.HasSuffix(path, "/copy") && !strings.HasPrefix(path, "memfd:") && !strings.Contains(path, "gone") {
			continue
		}
		seen++
		if got := c.content(r); !bytes.Equal(got, self) || !r.Complete {
			t.Errorf("%s: got %d bytes, %+v", path, len(got), r)
		}
	}
	if seen != 3 {
		t.Errorf("got %d of three programs: a file, one that is deleted, one in memory: %v", seen, records)
	}
	var profile map[string]struct {
		Times    int
		FileHash string `json:"file_hash"`
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "out", "tracee.profile"))
	if err == nil {
		err = json.Unmarshal(text, &profile)
	}
	if err != nil {
		t.Fatal(err)
	}
	for key, p := range profile {
		if strings.Contains(key, "/exec.copy:") && (p.Times != 3 || p.FileHash == "") {
			t.Errorf("%s: got %+v, want 3 times", key, p)
		}
	}
}

func TestCodeInMemoryIsCaptured(t *testing.T) {
	c := startCapturing(t, "mem", "module", "bpf")
	_, found := c.act("capture/code")
	records := c.end()
	r := records["mem"]
	if !calledBack() {
		t.Log("mem: needs Linux 5.17 (bpf_find_vma)")
	} else if got := c.content(r); !bytes.Equal(got, codeBytes(1<<20)) || !r.Complete {
		t.Errorf("memory: got %d bytes, %+v", len(got), r)
	}
	r = records["module"]
	if got := c.content(r); !bytes.Equal(got, codeBytes(300000)) || !r.Complete || !strings.HasSuffix(r.Artifact, r.SHA256) {
		t.Errorf("module in memory: got %d bytes, %+v", len(got), r)
	}
	moduleFile := 0
	for path, r := range records {
		if strings.HasSuffix(path, "/module.ko") {
			moduleFile++
			if got := c.content(r); !bytes.Equal(got, codeBytes(5000)) || !strings.HasSuffix(r.Artifact, r.SHA256) {
				t.Errorf("module in a file: got %d bytes, %+v", len(got), r)
			}
		}
	}
	if moduleFile != 1 {
		t.Errorf("got %d modules in files, want 1: %v", moduleFile, records)
	}
	r = records["artifact"]
	if got := c.content(r); !bytes.Equal(got, bpfProgram) || !strings.HasSuffix(r.Artifact, ".artifact") {
		t.Errorf("program: got %x, %+v (the child: %+v)", got, r, found)
	}
}

func TestPacketsAreCapturedInFilesOfWhomTheyBelongTo(t *testing.T) {
	c := startCapturing(t, "net=lo", "pcap:per-host,per-process,per-command")
	_, _ = c.act("capture/packets")
	c.end()
	files, err := filepath.Glob(c.dir + "/out/host/*.pcap")
	if err != nil || len(files) != 3 {
		t.Fatalf("got %q, want three files", files)
	}
	for _, file := range files {
		packets := readPackets(t, file)
		if len(packets) != 2 { // sent and received
			t.Errorf("%s: got %d packets, want 2", filepath.Base(file), len(packets))
		}
		for _, p := range packets {
			if !bytes.HasSuffix(p, bytes.Repeat([]byte("artifact"), 500)) {
				t.Errorf("%s: got a packet of %d bytes without the message", filepath.Base(file), len(p))
			}
		}
	}
}

// readPackets reads the payloads of all datagrams of a file.
func readPackets(t *testing.T, path string) (payloads [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if device, err := reader.Interface(0); err != nil || device.Name != "lo" || device.Comment != "tracee tc capture" {
		t.Errorf("%s: got %+v, %v", path, device, err)
	}
	for {
		data, _, err := reader.ReadPacketData()
		if err == io.EOF {
			return payloads
		}
		if err != nil {
			t.Fatal(err)
		}
		packet := gopacket.NewPacket(data, reader.LinkType(), gopacket.Default)
		if udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
			payloads = append(payloads, udp.Payload)
		}
	}
}
