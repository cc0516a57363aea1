package tracer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// written is the path of a new file with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfidentialityIsTheLockdownThatForbidsTracing(t *testing.T) {
	for _, test := range []struct {
		state   string
		refused bool
	}{
		{"[none] integrity confidentiality\n", false},
		{"none [integrity] confidentiality\n", false},
		{"none integrity [confidentiality]\n", true},
	} {
		err := checkLockdown(written(t, test.state))
		if got := errors.Is(err, ErrLockedDown); got != test.refused {
			t.Errorf("%s: got %v, want refused: %v", test.state, err, test.refused)
		}
		const advice = "kernel lockdown is set to 'confidentiality', can't load eBPF programs: boot with lockdown=integrity or without it"
		if test.refused && err.Error() != advice {
			t.Errorf("got %q, want %q", err, advice)
		}
	}
	if err := checkLockdown(filepath.Join(t.TempDir(), "nowhere")); err != nil {
		t.Errorf("a kernel without lockdown: %v", err)
	}
}

func TestKernelWithoutBTFIsToldWhatToDo(t *testing.T) {
	t.Setenv("TRACEE_BTF_FILE", "")
	if err := checkBTF(written(t, "")); err != nil {
		t.Errorf("with BTF: %v", err)
	}
	err := checkBTF("/nowhere/vmlinux")
	if !errors.Is(err, ErrNoBTF) {
		t.Fatalf("got %v, want %v", err, ErrNoBTF)
	}
	for _, want := range []string{"/nowhere/vmlinux", "CONFIG_DEBUG_INFO_BTF=y", "TRACEE_BTF_FILE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}

func TestBTFFileStandsInForTheKernels(t *testing.T) {
	t.Setenv("TRACEE_BTF_FILE", written(t, "no BTF"))
	if err := checkBTF("/nowhere/vmlinux"); err != nil {
		t.Errorf("a file that is there: %v", err)
	}
	if _, err := kernelTypes(btf.NewCache()); err == nil || !strings.Contains(err.Error(), "is not a BTF file") {
		t.Errorf("got %v, want that it is not a BTF file", err)
	}
	t.Setenv("TRACEE_BTF_FILE", "/nowhere/btf")
	if err := checkBTF(btfPath); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "could not open TRACEE_BTF_FILE path") {
		t.Errorf("got %v, want that there is no such file", err)
	}
}

func TestRootMayTraceAndOthersMayNot(t *testing.T) {
	err := checkCapabilities()
	if os.Geteuid() == 0 {
		if err != nil {
			t.Errorf("root: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrNotPermitted) || !strings.Contains(err.Error(), "run it with sudo") {
		t.Errorf("another user: got %v", err)
	}
}
