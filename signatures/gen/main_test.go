package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/tracee-go/tracee/signatures"
)

func TestTheDocumentationIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/detections.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, render(signatures.Describe())) {
		t.Error("docs/detections.md is not what the declarations say: run go generate ./signatures")
	}
}
