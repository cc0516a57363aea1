package sink

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/trace"
)

var quiet = slog.New(slog.DiscardHandler)

// open opens destinations of a command that makes findings.
func open(t testing.TB, urls ...string) *Set {
	t.Helper()
	var list []*Destination
	for _, url := range urls {
		d, err := Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	s, err := Open(list, Config{Findings: true, Product: schema.Product{Version: "1", Host: "machine"}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s took too long", what)
		}
	}
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// stamps are the timestamps of lines of events.
func stamps(t testing.TB, lines []string) (numbers []int) {
	t.Helper()
	for _, line := range lines {
		var e struct{ Timestamp int }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		numbers = append(numbers, e.Timestamp)
	}
	return numbers
}

func counting(to int) (numbers []int) {
	for i := range to {
		numbers = append(numbers, i)
	}
	return numbers
}

// counter counts what is encoded.
type counter struct {
	schema.Encoder
	events int
}

func (c *counter) AppendEvent(b []byte, e *trace.Event) []byte {
	c.events++
	return c.Encoder.AppendEvent(b, e)
}

func TestEachFormatIsWrittenOnceAndOnlyForThoseWhoAsk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir+"/a?select=events", "file://"+dir+"/b?select=events", "file://"+dir+"/c?select=events&format=ecs",
		"file://"+dir+"/d", "file://"+dir+"/e?select=all&filter=openat.pathname=/nowhere&format=ocsf")
	var counters []*counter
	for _, f := range s.formats {
		c := &counter{Encoder: f.Encoder}
		f.Encoder = c
		counters = append(counters, c)
	}
	for i := range 10 {
		s.Event(event("/x", i))
	}
	s.Finding(findingOf(event("/x", 1), 3))
	s.Close()
	if counters[0].events != 10 || counters[1].events != 10 || counters[2].events != 0 {
		t.Errorf("json %d, ecs %d, ocsf %d", counters[0].events, counters[1].events, counters[2].events)
	}
	a, b := lines(t, dir+"/a"), lines(t, dir+"/b")
	if !slices.Equal(a, b) || len(a) != 10 {
		t.Errorf("a: %q, b: %q", a, b)
	}
	if d := lines(t, dir+"/d"); len(d) != 1 || !strings.Contains(d[0], `"signature":{"id":"T-1"`) {
		t.Errorf("findings: %q", d)
	}
}

func TestNobodyCostsNothing(t *testing.T) {
	var none *Set
	e, f := event("/x", 1), findingOf(event("/x", 1), 1)
	if n := testing.AllocsPerRun(100, func() { none.Event(e); none.Finding(f) }); n != 0 || none.WantsEvents() {
		t.Errorf("%v allocations", n)
	}
	none.Close()
	onlyFindings := open(t, "file://"+t.TempDir()+"/x")
	if n := testing.AllocsPerRun(100, func() { onlyFindings.Event(e) }); n != 0 || onlyFindings.WantsEvents() {
		t.Errorf("%v allocations", n)
	}
}

func TestTwoOfOneNameAreAnError(t *testing.T) {
	dir := t.TempDir()
	a, b := parsed(t, "file://"+dir+"/a?name=x"), parsed(t, "file://"+dir+"/b?name=x")
	if _, err := Open([]*Destination{a, b}, Config{Findings: true, Log: quiet}); err == nil || !strings.Contains(err.Error(), "two of this name") {
		t.Errorf("got %v", err)
	}
}

// mute accepts connections and never answers.
func mute(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			each(c)
		}
	}()
	return listener.Addr().String()
}

func TestBrokenDestinationsHurtNobodyElse(t *testing.T) {
	dir := t.TempDir()
	hanging := mute(t, func(net.Conn) {})
	resetting := mute(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() })
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { time.Sleep(100 * time.Millisecond) }))
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(slow.Close)
	t.Cleanup(failing.Close)
	urls := []string{"file://" + dir + "/good?name=good&queue=200000&queue-size=200MB"}
	for trouble, address := range map[string]string{
		"dead": "127.0.0.1:1", "hanging": hanging, "resetting": resetting,
		"slow": strings.TrimPrefix(slow.URL, "http://"), "failing": strings.TrimPrefix(failing.URL, "http://"),
	} {
		for _, form := range []string{
			"webhook+http://%s/", "elasticsearch+http://%s/index", "otlp+http://%s", "otlp+grpc://%s", "kafka://%s/topic", "nats://%s/subject",
			"syslog+tcp://%s",
		} {
			if strings.HasPrefix(form, "nats") && trouble == "hanging" {
				continue // connecting waits for a greeting, in the background
			}
			url := fmt.Sprintf(form, address)
			urls = append(urls, url+"?queue=100&timeout=200ms&name="+trouble+"-"+form[:4]+fmt.Sprint(len(urls)))
		}
	}
	for i := range urls {
		urls[i] = strings.Replace(urls[i], "?", "?select=events&", 1)
	}
	s := open(t, urls...)
	const number = 20000
	longest := time.Duration(0)
	var before, after runtime.MemStats
	for i := range number {
		if i == number/2 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		e := event("/x", i)
		started := time.Now()
		s.Event(e)
		longest = max(longest, time.Since(started))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	wait(t, "the good one", func() bool { return s.Stats()[0].Sent == number })
	if got := stamps(t, lines(t, dir+"/good")); !slices.Equal(got, counting(number)) {
		t.Error("the good one has not got all, or not in order")
	}
	if longest > time.Second { // a busy machine takes its time
		t.Errorf("an event waited for %v", longest)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	started := time.Now()
	s.Close()
	if took := time.Since(started); took > 4*drain {
		t.Errorf("the end took %v", took)
	}
	for _, stats := range s.Stats()[1:] {
		if stats.Queued != 0 || stats.Sent+stats.Dropped() != number {
			t.Errorf("%s: %+v", stats.Name, stats.Stats)
		}
	}
}

func TestWhatIsLeftGoesToDiskAndToTheNextRun(t *testing.T) {
	dir := t.TempDir()
	url := "webhook+http://%s/?select=events&name=hook&queue=10&timeout=100ms&spill=" + dir
	s := open(t, fmt.Sprintf(url, "127.0.0.1:1"))
	for i := range 1000 {
		s.Event(event("/x", i))
	}
	s.Close()
	if stats := s.Stats()[0]; stats.OnDisk == 0 || stats.Dropped() != 0 {
		t.Fatalf("%+v", stats)
	}
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(body))
	}))
	defer server.Close()
	s = open(t, fmt.Sprintf(url, strings.TrimPrefix(server.URL, "http://")))
	s.Event(event("/x", 1000))
	wait(t, "all of it", func() bool { return s.Stats()[0].Sent == 1001 })
	s.Close()
	// One whose answer was late came twice.
	if got := slices.Compact(stamps(t, got)); !slices.Equal(got, counting(1001)) {
		t.Errorf("got %v", got)
	}
}

func TestClosedStandardOutputIsTold(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan string, 1)
	s, err := Open([]*Destination{parsed(t, "stdout://?select=all")}, Config{
		Stdout: write, Findings: true, Log: quiet, Gone: func(name string, _ error) { gone <- name },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Finding(findingOf(event("/x", 1), 2))
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil || !strings.Contains(line, "T-1") {
		t.Errorf("got %q, %v", line, err)
	}
	read.Close()
	for i := 0; len(gone) == 0; i++ {
		s.Event(event("/x", i))
		time.Sleep(time.Millisecond)
	}
	if name := <-gone; name != "stdout://" {
		t.Errorf("got %s", name)
	}
}

func TestHeadsSurviveTheirQueue(t *testing.T) {
	e := event("/x", 12345)
	m := messageOf(append(appendHead(nil, e, true, 3), "text"...))
	if m.time.UnixNano() != 12345 || m.level != 3 || !m.finding || m.name != "openat" || string(m.text) != "text" {
		t.Errorf("got %+v", m)
	}
	if m := messageOf([]byte("x")); m.level != -1 || !bytes.Equal(m.text, []byte("x")) {
		t.Errorf("got %+v", m)
	}
}

func BenchmarkEvent(b *testing.B) {
	s := open(b, "file://"+filepath.Join(b.TempDir(), "x")+"?select=events&queue=1000000&queue-size=64MB")
	e := event("/etc/passwd", 1)
	b.ReportAllocs()
	for b.Loop() {
		s.Event(e)
	}
}
