package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/types/trace"
)

const (
	mappedProcesses = 512
	largestMaps     = 8 << 20
	maxRegions      = 1 << 16
	// mapsFresh is how old what is known of a process may be before an address that is not in it lets look again.
	mapsFresh = 100 * time.Millisecond
	// startTick is the unit in which the kernel tells the start of a thread: USER_HZ is 100 everywhere.
	startTick = 10 * time.Millisecond
)

// Stacks tells in which files the addresses of stacks lie, by the memory maps of the process. It asks when the event is
// read: of a process that has ended, or runs another program by then, only addresses are told.
type Stacks struct {
	processes *lru.Cache[uint64, *memoryMap] // by entity id
	now       func() time.Time
}

// memoryMap is what a process has mapped, in order of addresses.
type memoryMap struct {
	regions []region
	program string // that the process runs
	read    time.Time
}

type region struct {
	start, end, offset uint64
	name               string
}

// NewStacks returns a Stacks that knows no process.
func NewStacks() *Stacks {
	processes, err := lru.New[uint64, *memoryMap](mappedProcesses)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Stacks{processes: processes, now: time.Now}
}

// Locate fills StackSymbols of an event that has a stack.
func (s *Stacks) Locate(e *trace.Event) {
	if len(e.StackAddresses) == 0 {
		return
	}
	known, ok := s.processes.Get(e.ProcessEntityID)
	if ok && e.Executable != "" && known.program != e.Executable {
		ok = false // it has executed something
	}
	if !ok || !known.has(e.StackAddresses[0]) && s.now().Sub(known.read) > mapsFresh {
		known = s.readMaps(e)
		s.processes.Add(e.ProcessEntityID, known)
	}
	located := false
	symbols := make([]string, len(e.StackAddresses))
	for i, address := range e.StackAddresses {
		symbols[i] = known.locate(address)
		located = located || symbols[i] != ""
	}
	if located {
		e.StackSymbols = symbols
	}
}

// readMaps reads what the process has mapped; nothing if it is not the process of the event any more.
func (s *Stacks) readMaps(e *trace.Event) *memoryMap {
	m := &memoryMap{read: s.now(), program: e.Executable}
	proc := "/proc/" + strconv.Itoa(e.HostProcessID)
	file, err := os.Open(proc + "/maps")
	if err != nil {
		return m
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, largestMaps))
	// The descriptor is of the memory that was there when it was opened. Was it that of the event?
	if err != nil || !sameThread(proc, e) || !sameProgram(proc, e.Executable) {
		return m
	}
	m.regions = parseMaps(text)
	return m
}

// sameThread reports whether the thread of the event is still the one with its number.
func sameThread(proc string, e *trace.Event) bool {
	text, err := os.ReadFile(fmt.Sprintf("%s/task/%d/stat", proc, e.HostThreadID))
	if err != nil {
		return false
	}
	const startField = 22 - 3 // the first field behind the name, which may hold anything, is the third
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= startField {
		return false
	}
	ticks, err := strconv.ParseInt(string(fields[startField]), 10, 64)
	return err == nil && ticks == int64(e.ThreadStartTime)/int64(startTick)
}

func sameProgram(proc, program string) bool {
	if program == "" {
		return true // it is not known
	}
	link, err := os.Readlink(proc + "/exe")
	link = strings.TrimSuffix(link, " (deleted)")
	return err == nil && (link == program || link == "/"+program) // of a file without a name: /memfd:name
}

// parseMaps parses lines like "7f1c-7f2d r-xp 00001000 fe:00 1234    /usr/lib/x.so". They are in order of addresses.
func parseMaps(text []byte) []region {
	var regions []region
	for line := range bytes.Lines(text) {
		if len(regions) == maxRegions {
			break
		}
		var r region
		var permissions, device string
		var inode uint64
		n, err := fmt.Sscanf(string(line), "%x-%x %s %x %s %d", &r.start, &r.end, &permissions, &r.offset, &device, &inode)
		if n < 6 || err != nil {
			continue
		}
		r.name = mapName(line)
		regions = append(regions, r)
	}
	return regions
}

// mapName is the last field of a line: all that is behind five others.
func mapName(line []byte) string {
	rest := string(bytes.TrimSuffix(line, []byte("\n")))
	for range 5 {
		_, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
	}
	rest = strings.TrimLeft(rest, " ")
	if utf8.ValidString(rest) {
		return rest
	}
	var b strings.Builder
	for i, r := range rest {
		if r == utf8.RuneError && !strings.HasPrefix(rest[i:], "\ufffd") {
			fmt.Fprintf(&b, `\x%02x`, rest[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (m *memoryMap) find(address uint64) *region {
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].end > address })
	if i == len(m.regions) || m.regions[i].start > address {
		return nil
	}
	return &m.regions[i]
}

func (m *memoryMap) has(address uint64) bool { return m.find(address) != nil }

// locate returns file+0xoffset, where the offset is one in the file; for memory that is no file's, its name in brackets as
// the kernel calls it, and the offset from its beginning.
func (m *memoryMap) locate(address uint64) string {
	r := m.find(address)
	if r == nil {
		return ""
	}
	name, offset := r.name, address-r.start
	switch {
	case name == "":
		name = "[anon]"
	case strings.HasPrefix(name, "["):
	default:
		offset += r.offset
	}
	return name + "+0x" + strconv.FormatUint(offset, 16)
}
