// Package packed reads the compressed BPF objects that are embedded in the program.
//
// Start from Reader. The objects are written by command bpf/pack; they are part of the program, so an error means that
// it was built wrongly.
package packed

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// Suffix is what packing adds to the name of an object.
const Suffix = ".gz"

// Read unpacks an object.
func Read(object []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("unpack BPF object: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack BPF object: %w", err)
	}
	return plain, nil
}

// Reader unpacks an object for those who want to jump about in it.
func Reader(object []byte) (*bytes.Reader, error) {
	plain, err := Read(object)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(plain), nil
}
