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

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	mappedProcesses = 512
	largestMaps     = 8 << 20
	maxRegions      = 1 << 16
	allRegions      = 1 << 19 // of all processes
	// mapsFresh is how old what is known of a process may be before an address that is not in it lets look again.
	mapsFresh = 100 * time.Millisecond
)

// Stacks tells in which files, and in which functions of these, the addresses of stacks lie, by the memory maps of the
// process and the symbols of the files. It asks when the event is read: of a process that has ended, or runs another program
// by then, only addresses are told.
type Stacks struct {
	processes *lru.Cache[uint64, *memoryMap] // by entity id
	regions   int                            // of all of them
	functions *fileFunctions
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
	file               mappedFile
	name               string // as shown
	code               bool
	search             *search // for the functions of the file, nil: none yet
}

// NewStacks returns a Stacks that knows no process.
func NewStacks() *Stacks {
	s := &Stacks{functions: newFileFunctions(), now: time.Now}
	processes, err := lru.NewWithEvict(mappedProcesses, func(_ uint64, gone *memoryMap) { s.regions -= len(gone.regions) })
	if err != nil {
		panic(err) // the size is a constant
	}
	s.processes = processes
	return s
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
		s.add(e.ProcessEntityID, known)
	}
	located := false
	symbols := make([]string, len(e.StackAddresses))
	for i, address := range e.StackAddresses {
		if r := known.find(address); r != nil {
			symbols[i] = r.locate(address) + s.function(r, e.HostProcessID, codeOf(address, i))
		}
		located = located || symbols[i] != ""
	}
	if located {
		e.StackSymbols = symbols
	}
}

// codeOf is an address within the instruction that a frame is at: frames but the innermost are where a call returns to, which
// is in the next function if the call was the last of its own.
func codeOf(address uint64, frame int) uint64 {
	if frame == 0 {
		return address
	}
	return address - 1
}

func (s *Stacks) add(id uint64, m *memoryMap) {
	s.processes.Remove(id)
	s.regions += len(m.regions)
	s.processes.Add(id, m)
	for s.regions > allRegions && s.processes.Len() > 1 {
		s.processes.RemoveOldest()
	}
}

// function says which function lies at an address of a region, with a blank before; nothing if that is not known.
func (s *Stacks) function(r *region, task int, address uint64) string {
	offset := address - r.start
	functions := vdsoFunctions(r)
	if functions == nil {
		functions, offset = s.functionsOf(r, task), offset+r.offset
	}
	if functions == nil {
		return ""
	}
	text, ok := describe(functions, offset)
	if !ok {
		return ""
	}
	return " (" + text + ")"
}

// functionsOf are those of the file of a region, nil as long as they are not known.
func (s *Stacks) functionsOf(r *region, task int) *library.Functions {
	if !r.code || r.file.inode == 0 {
		return nil
	}
	if r.search == nil {
		if r.search = s.functions.begin(r.file, task); r.search == nil {
			return nil
		}
	}
	if !s.functions.wait(r.search, r.file.dev) || !r.search.found {
		return nil
	}
	functions := s.functions.lookup(r.search.key)
	if functions == nil {
		r.search = nil // forgotten: it is read again for the next event
	}
	return functions
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
	stat, err := library.ReadStat(fmt.Sprintf("%s/task/%d/stat", proc, e.HostThreadID))
	return err == nil && stat.Start == time.Duration(e.ThreadStartTime).Truncate(library.StartTick)
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
		if r, ok := parseRegion(bytes.TrimSuffix(line, []byte("\n"))); ok {
			regions = append(regions, r)
		}
	}
	return regions
}

func parseRegion(line []byte) (r region, ok bool) {
	var fields [5][]byte
	for i := range fields {
		fields[i], line, _ = bytes.Cut(bytes.TrimLeft(line, " "), []byte(" "))
	}
	from, to, _ := bytes.Cut(fields[0], []byte("-"))
	major, minor, _ := bytes.Cut(fields[3], []byte(":"))
	ok = true
	number := func(text []byte, base int) uint64 {
		n, err := strconv.ParseUint(string(text), base, 64)
		ok = ok && err == nil
		return n
	}
	r.start, r.end, r.offset = number(from, 16), number(to, 16), number(fields[2], 16)
	r.file.dev = uint32(number(major, 16)<<20 | number(minor, 16))
	r.file.inode = number(fields[4], 10)
	r.code = bytes.IndexByte(fields[1], 'x') >= 0
	path := string(bytes.TrimLeft(line, " "))
	r.name, r.file.path = validText(path), strings.ReplaceAll(path, `\012`, "\n") // the only escape of the kernel
	return r, ok
}

// validText shows bytes that are no UTF-8 as \xff.
func validText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			fmt.Fprintf(&b, `\x%02x`, text[i])
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
func (r *region) locate(address uint64) string {
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
