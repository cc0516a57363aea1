package main

import (
	"bytes"
	"os"
	"testing"
)

func TestGeneratedHeaderIsCurrent(t *testing.T) {
	var header bytes.Buffer
	write(&header)
	committed, err := os.ReadFile("../../bpf/gen/filters.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(header.Bytes(), committed) {
		t.Error("bpf/gen/filters.h is stale: run go generate ./filter")
	}
}
