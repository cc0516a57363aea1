package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/bpf/packed"
)

// generated is what matters of a file that bpf2go writes.
const generated = `package bpf

import (
	"bytes"
	_ "embed"

	"github.com/cilium/ebpf"
)

func LoadX() (*ebpf.CollectionSpec, error) {
	reader := bytes.NewReader(_XBytes)
	spec, err := ebpf.LoadCollectionSpecFromReader(reader)
	return spec, err
}

//go:embed x_bpfel.o
var _XBytes []byte
`

func TestPackReplacesObjectAndEmbedding(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	object := strings.Repeat("object ", 1000)
	write("x_bpfel.o", object)
	write("x_bpfel.go", generated)
	if err := pack("x_bpfel.o"); err != nil {
		t.Fatal(err)
	}
	if plain, err := packed.Read([]byte(read("x_bpfel.o.gz"))); err != nil || string(plain) != object {
		t.Errorf("the object unpacks to %d bytes, want %d (%v)", len(plain), len(object), err)
	}
	source := read("x_bpfel.go")
	for _, want := range []string{"//go:embed x_bpfel.o.gz\n", "packed.Reader(_XBytes)"} {
		if !strings.Contains(source, want) {
			t.Errorf("the Go file lacks %q:\n%s", want, source)
		}
	}
	if left, _ := filepath.Glob("*.o"); len(left) > 0 {
		t.Errorf("%q is left", left)
	}

	write("x_bpfel.o", object)
	if err := pack("x_bpfel.o"); err == nil {
		t.Error("a Go file that bpf2go did not just write was changed again")
	}
}
