package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// packetOf is a packet of a process in a container, or of the host, as the kernel side sends it.
func packetOf(container, process, device string, length int) *trace.Event {
	var b trace.Builder
	b.Reset(events.CapturePcap.Schema())
	b.Slot(argPacketLength, uint64(length))
	b.Text(argPacketDevice, device)
	b.Tail(argPacketData, append([]byte{0x45}, bytes.Repeat([]byte(process[:1]), length-1)...))
	e := &trace.Event{
		Timestamp: 1, ProcessName: process, HostProcessID: 5, ThreadStartTime: 6, ProcessEntityID: 7, ContainerID: container, EventID: events.CapturePcap.ID,
	}
	b.Finish(e)
	return e
}

// captures reads the lengths of the packets of all files, by their paths: as captured, and in truth.
func captures(t *testing.T, dir string) map[string][][2]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, outDir, "*", "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	read := map[string][][2]int{}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(filepath.Join(dir, outDir), path)
		reader, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
		for {
			data, info, err := reader.ReadPacketData()
			if err != nil {
				break
			}
			read[name] = append(read[name], [2]int{len(data), info.Length})
		}
		f.Close()
	}
	return read
}

func TestPacketsGoToTheFilesThatAreAskedFor(t *testing.T) {
	packets := []*trace.Event{
		packetOf("", "host", "eth0", 100), packetOf("c1", "nginx", "eth0", 200), packetOf("c1", "curl", "eth1", 300),
		packetOf("c2", "../curl", "eth0", 400), packetOf("c2", "nginx", "eth2", 500),
	}
	for _, test := range []struct {
		values, want string // files, with lengths as captured and in truth
	}{
		{"net=any", "host/capture.pcap 114/114 214/214 314/314 414/414 514/514"},
		{"net=eth0,eth1", "host/capture.pcap 114/114 214/214 314/314 414/414"},
		{"net=eth0 net=eth2", "host/capture.pcap 514/514"},
		{"net=any pcap:per-container", "c1/capture.pcap 214/214 314/314, c2/capture.pcap 414/414 514/514, host/capture.pcap 114/114"},
		{"net=eth0 pcap:per-command", "c1/nginx.pcap 214/214, c2/.._curl~*.pcap 414/414, host/host.pcap 114/114"},
		{"net=eth1 pcap:per-process,per-host", "c1/curl_5_6.pcap 314/314, host/capture.pcap 314/314"},
		{"net=any pcap-snaplen:headers pcap:per-container", "c1/capture.pcap 128/214 128/314, c2/capture.pcap 128/414 128/514, host/capture.pcap 114/114"},
		{"net=eth1 pcap-snaplen:40b", "host/capture.pcap 40/314"},
	} {
		t.Run(test.values, func(t *testing.T) {
			dir := t.TempDir()
			options, err := Parse(append(strings.Fields(test.values), "dir:"+dir))
			if err != nil {
				t.Fatal(err)
			}
			c, err := New(Config{Options: options})
			if err != nil {
				t.Fatal(err)
			}
			for range c.Stage(slices.Values(packets)) {
			}
			if _, err := c.Close(); err != nil {
				t.Fatal(err)
			}
			agree(t, dir)
			if got := describe(captures(t, dir)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestThreadsOfAProcessShareAFile(t *testing.T) {
	first, second, other := packetOf("", "main", "lo", 10), packetOf("", "worker", "lo", 20), packetOf("", "main", "lo", 30)
	second.ThreadStartTime++
	other.ProcessEntityID, other.HostProcessID = 8, 6
	dir := t.TempDir()
	options, err := Parse([]string{"net=any", "pcap:per-process", "dir:" + dir})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Options: options})
	if err != nil {
		t.Fatal(err)
	}
	for range c.Stage(slices.Values([]*trace.Event{first, second, other})) {
	}
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := describe(captures(t, dir)), "host/main_5_6.pcap 24/24 34/34, host/main_6_6.pcap 44/44"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// describe writes files down in the order of their names, of which a hash is left out.
func describe(files map[string][][2]int) string {
	var lines []string
	for name, packets := range files {
		if before, _, found := strings.Cut(name, "~"); found {
			name = before + "~*.pcap"
		}
		for _, p := range packets {
			name += " " + strconv.Itoa(p[0]) + "/" + strconv.Itoa(p[1])
		}
		lines = append(lines, name)
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}
