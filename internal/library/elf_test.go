package library

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/internal/library/librarytest"
)

// namesOf tells the symbols as text, sorted, weak ones marked.
func namesOf(l *Library) []string {
	var names []string
	for s := range l.Symbols() {
		if s.Weak {
			s.Name += " weak"
		}
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

var shapes = map[string]librarytest.Shape{
	"64 bits": {}, "32 bits": {Narrow: true}, "64 bits, GNU": {GNU: true}, "32 bits, GNU": {Narrow: true, GNU: true},
}

func TestSymbolsAreThoseThatOthersCanBeLinkedTo(t *testing.T) {
	symbols := []librarytest.Symbol{
		{Name: "imported", Bind: librarytest.Global, Undefined: true},
		{Name: "local", Bind: librarytest.Local},
		{Name: "fopen", Bind: librarytest.Global},
		{Name: "read", Bind: librarytest.Weak},
		{Name: "_ZNSs4nposE", Bind: librarytest.Unique},
		{Name: "write", Bind: librarytest.Weak}, // two versions of one symbol
		{Name: "write", Bind: librarytest.Global},
		{Name: "", Bind: librarytest.Global},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			l, err := read(bytes.NewReader(librarytest.Object(shape, symbols)))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := namesOf(l), []string{"_ZNSs4nposE weak", "fopen", "read weak", "write"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if l.Len() != 4 {
				t.Errorf("Len: got %d, want 4", l.Len())
			}
		})
	}
}

func TestAnObjectWithoutSymbolsIsALibrary(t *testing.T) {
	for name, shape := range shapes {
		if l, err := read(bytes.NewReader(librarytest.Object(shape, nil))); err != nil || l.Len() != 0 {
			t.Errorf("%s: got %v, %v", name, namesOf(l), err)
		}
	}
}

func TestOtherFilesAreNoLibraries(t *testing.T) {
	object := librarytest.Object(librarytest.Shape{}, librarytest.Globals("f"))
	relocatable := slices.Clone(object)
	relocatable[16] = 1
	for name, file := range map[string]string{
		"empty": "", "script": "#!/bin/sh\n" + strings.Repeat(" ", 100), "zeros": string(make([]byte, 1<<12)),
		"header cut short": string(object[:60]), "relocatable": string(relocatable),
	} {
		if _, err := read(strings.NewReader(file)); !errors.Is(err, errNotELF) {
			t.Errorf("%s: got %v, want %v", name, err, errNotELF)
		}
	}
}

// TestLibrariesOfThisMachine compares with the standard library's reader, which goes by the sections.
func TestLibrariesOfThisMachine(t *testing.T) {
	var files []string
	for _, pattern := range []string{"/lib/*-linux-gnu/*.so*", "/lib64/*.so*", "/usr/lib/gcc/*/*/*.so", "/lib/*.so*"} {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	compared := 0
	for _, path := range files {
		file, err := elf.Open(path)
		if err != nil {
			continue // a linker script
		}
		defer file.Close()
		wanted := map[string]bool{}
		symbols, _ := file.DynamicSymbols()
		for _, s := range symbols {
			bind := elf.ST_BIND(s.Info)
			if s.Section != elf.SHN_UNDEF && bind != elf.STB_LOCAL && s.Name != "" {
				wanted[s.Name] = true
			}
		}
		text, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		l, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if l.Len() != len(wanted) {
			t.Errorf("%s: got %d symbols, want %d", path, l.Len(), len(wanted))
		}
		for s := range l.Symbols() {
			if !wanted[s.Name] {
				t.Errorf("%s: %s is not among the symbols of its section", path, s.Name)
			}
		}
		compared++
	}
	if compared == 0 {
		t.Skip("no shared libraries in the usual directories")
	}
	t.Logf("%d libraries", compared)
}

// TestMalformedObjectsAreRefused changes one thing at a time.
func TestMalformedObjectsAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		shape  librarytest.Shape
		change func(file []byte)
	}{
		{"too many segments", librarytest.Shape{}, func(b []byte) { put16(b, 56, 0xffff) }},
		{"odd size of a segment's header", librarytest.Shape{}, func(b []byte) { put16(b, 54, 55) }},
		{"segments beyond the end", librarytest.Shape{}, func(b []byte) { put64(b, 32, 1<<40) }},
		{"dynamic section nowhere", librarytest.Shape{}, func(b []byte) { put64(b, 64+2*56+16, 1<<40) }},
		{"names nowhere", librarytest.Shape{}, func(b []byte) { dynamic(b, 5, 1<<50) }},
		{"a table of names of 2^60 bytes", librarytest.Shape{}, func(b []byte) { dynamic(b, 10, 1<<60) }},
		{"name beyond the table", librarytest.Shape{}, func(b []byte) { put32(b, 0x200+24, 0xfffffff0) }},
		{"table of names without an end", librarytest.Shape{}, func(b []byte) { dynamic(b, 10, 2) }},
		{"2^32 buckets", librarytest.Shape{}, func(b []byte) { put32(b, hashAt, 0xffffffff) }},
		{"2^32 symbols", librarytest.Shape{}, func(b []byte) { put32(b, hashAt+4, 0xffffffff) }},
		{"chain beyond its table", librarytest.Shape{}, func(b []byte) { put32(b, hashAt+8, 1000) }},
		{"bucket of symbol 2^32", librarytest.Shape{GNU: true}, func(b []byte) { put32(b, hashAt+24, 0xffffffff) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := librarytest.Object(test.shape, librarytest.Globals("first", "second"))
			test.change(file)
			l, err := read(bytes.NewReader(file))
			if err == nil || errors.Is(err, errNotELF) {
				t.Errorf("got %v, %v", namesOf(l), err)
			}
			t.Log(err)
		})
	}
}

// hashAt is where the hash table of an object with two symbols is.
const hashAt = 0x200 + 3*24

func put16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func put32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func put64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// dynamic changes an entry of the dynamic section, which is the end of the file.
func dynamic(b []byte, tag, value uint64) {
	for at := len(b) - 6*16; at < len(b); at += 16 {
		if binary.LittleEndian.Uint64(b[at:]) == tag {
			put64(b, at+8, value)
		}
	}
}

// TestChainsThatMeetEnd has a bucket that leads into itself.
func TestChainsThatMeetEnd(t *testing.T) {
	file := librarytest.Object(librarytest.Shape{}, librarytest.Globals("first", "second"))
	put32(file, hashAt+8+4+2*4, 1) // the second symbol is followed by the first
	l, err := read(bytes.NewReader(file))
	if want := []string{"first", "second"}; err != nil || !slices.Equal(namesOf(l), want) {
		t.Errorf("got %v, %v, want %v", namesOf(l), err, want)
	}
}

// TestWhatTheLinkerMapsIsSeen: what a segment does not cover, but its last page does, the linker sees too.
func TestWhatTheLinkerMapsIsSeen(t *testing.T) {
	file := librarytest.Object(librarytest.Shape{}, librarytest.Globals("first"))
	for _, segment := range []int{0, 1} {
		put64(file, 64+segment*56+32, 8) // size in the file
	}
	put64(file, 64+2*56+32, 16)
	l, err := read(bytes.NewReader(file))
	if want := []string{"first"}; err != nil || !slices.Equal(namesOf(l), want) {
		t.Errorf("got %v, %v, want %v", namesOf(l), err, want)
	}
}

func FuzzRead(f *testing.F) {
	symbols := librarytest.Globals("fopen", "read", strings.Repeat("long", 100))
	for _, shape := range shapes {
		f.Add(librarytest.Object(shape, symbols))
		f.Add(librarytest.Object(shape, nil))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		l, err := read(bytes.NewReader(file))
		if err == nil && l == nil {
			t.Error("neither a library nor an error")
		}
	})
}

// TestDamageCostsNoMemory reads objects with random damage to their numbers.
func TestDamageCostsNoMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	extremes := []uint64{0, 1, 0xff, 0xffff, 1 << 20, 1<<20 - 1, 0x7fffffff, 0xffffffff, 1 << 40, 1 << 62, 1<<63 - 1, ^uint64(0)}
	original := map[string][]byte{}
	for name, shape := range shapes {
		original[name] = librarytest.Object(shape, librarytest.Globals("fopen", "read", "write"))
	}
	var before, after runtime.MemStats
	for range 1000 {
		for name, object := range original {
			file := slices.Clone(object)
			for range 1 + random.IntN(3) {
				at := random.IntN(len(file) - 8)
				if value := extremes[random.IntN(len(extremes))]; random.IntN(2) == 0 {
					put64(file, at, value)
				} else {
					put32(file, at&^3, uint32(value))
				}
			}
			runtime.ReadMemStats(&before)
			_, _ = read(bytes.NewReader(file))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Fatalf("%s: a file of %d bytes took %d bytes of memory", name, len(file), took)
			}
		}
	}
}
