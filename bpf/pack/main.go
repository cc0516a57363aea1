// Command pack compresses the objects that bpf2go made in the current directory and lets the Go files beside them embed
// the compressed form, without labels and most lines of source: less in the repository each time they change, in the binaries, and to
// do at each start. It is run by go generate, after bpf2go. An object that unpacks to the same bytes is left as it is, so
// the result does not depend on the version of the compressor.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tracee-go/tracee/bpf/packed"
)

func main() {
	log.SetFlags(0)
	objects, err := filepath.Glob("*_bpfel.o")
	if err != nil {
		log.Fatal(err)
	}
	for _, object := range objects {
		if err := dropLabels(object); err != nil {
			log.Fatalf("drop labels of %s: %v", object, err)
		}
		if err := pack(object); err != nil {
			log.Fatalf("pack %s: %v", object, err)
		}
	}
}

// dropLabels takes from an object the symbols of places that are jumped to, and relocations of debug information, which only linkers
// read: a third of it.
func dropLabels(object string) error {
	strip := exec.Command("llvm-objcopy-16", "--remove-section=.rel.BTF", "--remove-section=.rel.BTF.ext", "--wildcard",
		"--strip-symbol=LBB*", object)
	if said, err := strip.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// pack replaces an object by its compressed form.
func pack(object string) error {
	plain, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	if err := dropLines(plain); err != nil {
		return err
	}
	if err := write(object+packed.Suffix, plain); err != nil {
		return err
	}
	if err := embed(strings.TrimSuffix(object, ".o") + ".go"); err != nil {
		return err
	}
	return os.Remove(object)
}

func write(path string, plain []byte) error {
	if old, err := os.ReadFile(path); err == nil {
		if same, err := packed.Read(old); err == nil && bytes.Equal(same, plain) {
			return nil
		}
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// replacements turn a file of bpf2go, which embeds an object, into one that embeds a packed object.
var replacements = [][2]string{
	{"\t\"bytes\"\n", ""},
	{"\t\"github.com/cilium/ebpf\"\n", "\t\"github.com/cilium/ebpf\"\n\n\t\"github.com/tracee-go/tracee/bpf/packed\"\n"},
	{"\treader := bytes.NewReader(", "\treader, err := packed.Reader("},
	{"\tspec, err := ebpf.LoadCollectionSpecFromReader(reader)", "\tif err != nil {\n\t\treturn nil, err\n\t}\n" +
		"\tspec, err := ebpf.LoadCollectionSpecFromReader(reader)"},
	{"_bpfel.o\n", "_bpfel.o" + packed.Suffix + "\n"},
}

func embed(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(source)
	for _, r := range replacements {
		if n := strings.Count(text, r[0]); n != 1 {
			return fmt.Errorf("%s has %d times %q; bpf2go writes something new", path, n, r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
