// Package packed reads the compressed BPF objects that are embedded in the program.
//
// Start from Reader. The objects are written by command bpf/pack; they are part of the program, so an error means that
// it was built wrongly.
package packed

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
)

// largest bounds the memory that is made ready for an object; it may be larger.
const largest = 16 << 20

// Suffix is what packing adds to the name of an object.
const Suffix = ".gz"

// Read unpacks an object.
func Read(object []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("unpack BPF object: %w", err)
	}
	var plain bytes.Buffer
	plain.Grow(plainSize(object) + bytes.MinRead)
	if _, err := plain.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("unpack BPF object: %w", err)
	}
	return plain.Bytes(), nil
}

// plainSize is what the last four bytes say that the object has, which are checked when it has been unpacked (RFC 1952, ISIZE).
func plainSize(object []byte) int {
	if len(object) < 4 {
		return 0
	}
	return int(min(binary.LittleEndian.Uint32(object[len(object)-4:]), largest))
}

// Reader unpacks an object for those who want to jump about in it.
func Reader(object []byte) (*bytes.Reader, error) {
	plain, err := Read(object)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(plain), nil
}
