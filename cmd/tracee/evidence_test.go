package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/capture"
)

func init() {
	actions["suspect"] = suspect
	actions["scribble"] = scribble
}

// codeInMemory is what a suspect has in memory that it executes.
var codeInMemory = bytes.Repeat([]byte{0x90, 0xc3}, 4096)

// sentWord is what a suspect sends.
const sentWord = "a word that a suspect has sent"

// talk sends a datagram to itself and receives it.
func talk() error {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.WriteTo([]byte(sentWord), c.LocalAddr()); err != nil {
		return err
	}
	_, _, err = c.ReadFrom(make([]byte, 100))
	return err
}

// suspect has code in memory and a file open, says something, asks to be traced, and stays.
func suspect(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	memory, err := unix.Mmap(-1, 0, len(codeInMemory), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	copy(memory, codeInMemory)
	if err := talk(); err != nil {
		return err
	}
	if err := askToBeTraced(); err != nil {
		return err
	}
	time.Sleep(patience)
	return nil
}

// scribble writes files until it is killed.
func scribble(args []string) error {
	for i := 0; ; i++ {
		path := filepath.Join(args[0], string(rune('a'+i%26)))
		if err := os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, 100000), 0o600); err != nil {
			return err
		}
	}
}

// background starts an action that is ended with the test.
func background(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command("act", args...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

// manifest returns the last line about each artifact; all lines must be whole.
func manifest(t *testing.T, dir string) map[string]capture.Record {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "out", capture.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := map[string]capture.Record{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r capture.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("%v: %s", err, lines.Bytes())
		}
		last[r.Artifact] = r
	}
	return last
}

func contentOf(t *testing.T, dir string, r capture.Record) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "out", r.Artifact))
	if err != nil {
		t.Error(err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != r.SHA256 {
		t.Errorf("%s has not the hash that the manifest has", r.Artifact)
	}
	return content
}

// awaitEvidence waits for evidence of each kind of a process that has a file open, and returns what it is.
func awaitEvidence(t *testing.T, dir string, pid int, file string) (kept map[string]string) {
	t.Helper()
	for end := time.Now().Add(patience); len(kept) < 4 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		kept = map[string]string{}
		for _, r := range manifest(t, dir) {
			if r.Kind == "open" && r.Pathname != file {
				continue // it has more
			}
			if r.State == capture.Captured && r.HostProcessID == pid && r.Finding == "TRC-2" && r.Complete {
				kept[r.Kind] = string(contentOf(t, dir, r))
			}
		}
	}
	return kept
}

func TestEvidenceOfGraveFindingsIsKept(t *testing.T) {
	needRoot(t)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "open file")
	if err := os.WriteFile(file, []byte("what it has open"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "tracee", "--rules", "TRC-2", "--output", "json", "--evidence", "high", "--capture", "dir:"+dir)
	p.awaitStderr("watching")
	suspected := background(t, "suspect", file)
	p.line()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	kept := awaitEvidence(t, dir, suspected.Process.Pid, file)
	for kind, want := range map[string]string{"exec": string(program), "mem": string(codeInMemory), "open": "what it has open"} {
		if got := kept[kind]; got != want {
			t.Errorf("%s: got %d bytes, want %d; stderr: %s", kind, len(got), len(want), &p.stderr)
		}
	}
	if got := strings.Count(kept["net"], sentWord); got != 2 { // sent and received
		t.Errorf("packets: the word is there %d times in %d bytes, want 2; stderr: %s", got, len(kept["net"]), &p.stderr)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
}

// TestPacketsThatAReloadAsksForAreRemembered has settings that ask for no packets at first.
func TestPacketsThatAReloadAsksForAreRemembered(t *testing.T) {
	needRoot(t)
	dir, settings := t.TempDir(), filepath.Join(t.TempDir(), "config.yaml")
	rename(t, settings, "evidence: asked\n")
	p := start(t, "tracee", "--config", settings, "--rules", "TRC-2", "--output", "json", "--capture", "dir:"+dir)
	p.awaitStderr("watching")
	rename(t, settings, "evidence: high\n")
	p.awaitReloads(1)
	if text := p.stderr.String(); !strings.Contains(text, "programs replaced") {
		t.Errorf("packets can not be remembered without other programs: %s", text)
	}
	suspected := background(t, "suspect", settings)
	if kept := awaitEvidence(t, dir, suspected.Process.Pid, settings); strings.Count(kept["net"], sentWord) != 2 {
		t.Errorf("packets: %d bytes; stderr: %s", len(kept["net"]), &p.stderr)
	}
	rename(t, settings, "evidence: asked # again\n")
	p.awaitReloads(2)
	if text := p.stderr.String(); strings.Count(text, "programs replaced") != 2 || strings.Contains(text, "WARN") {
		t.Errorf("packets are not forgotten: %s", text)
	}
}

// TestEvidenceThatAReloadAsksForFirstIsRefusedInWords is about a start that prepared for none, and what policies ask for.
func TestEvidenceThatAReloadAsksForFirstIsRefusedInWords(t *testing.T) {
	needRoot(t)
	policies := filepath.Join(t.TempDir(), "policies.yaml")
	const policy = "name: one\nsignatures: {ids: [TRC-2]}\n"
	rename(t, policies, policy)
	p := start(t, "tracee", "--config", os.DevNull, "--policy", policies, "--output", "json")
	p.awaitStderr("watching")
	rename(t, policies, policy+"evidence: high\n")
	p.awaitStderr("evidence is kept from the next start on")
	p.awaitReloads(1)
}

func TestKilledInTheMiddleTraceeEBPFLeavesATrueManifest(t *testing.T) {
	needRoot(t)
	dir, written := t.TempDir(), t.TempDir()
	args := []string{"--trace", "comm=act", "--output", "none", "--capture", "write=" + written[:min(len(written), 50)] + "*", "--capture", "dir:" + dir}
	watch := func() *process {
		p := start(t, "tracee-ebpf", args...)
		ready := filepath.Join(dir, "out", "tracee.pid")
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(ready); err == nil {
				return p
			}
		}
		t.Fatalf("not ready; stderr: %s", &p.stderr)
		return nil
	}
	p := watch()
	writer := background(t, "scribble", written)
	for end := time.Now().Add(patience); len(manifest(t, dir)) < 10; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("too little was captured; stderr: %s", &p.stderr)
		}
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	_ = writer.Process.Kill()
	if err := os.Remove(filepath.Join(dir, "out", "tracee.pid")); err != nil {
		t.Fatal(err)
	}
	p = watch() // which mends what the other one left
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
	files, err := filepath.Glob(filepath.Join(dir, "out", "host", "*"))
	if err != nil || len(files) < 10 {
		t.Fatalf("got %q, %v", files, err)
	}
	recorded := manifest(t, dir)
	for _, path := range files {
		r := recorded["host/"+filepath.Base(path)]
		if r.State != capture.Captured {
			t.Errorf("%s: the manifest says %+v", path, r)
			continue
		}
		contentOf(t, dir, r)
	}
}

// TestReadinessIsToldWhereNothingIsCaptured is about the file that scripts of v0.8 wait for.
func TestReadinessIsToldWhereNothingIsCaptured(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	p := start(t, "tracee-ebpf", "--trace", "event=ptrace", "--output", "none", "--capture", "dir:"+dir)
	ready := filepath.Join(dir, "out", "tracee.pid")
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ready)
		if err == nil {
			if got := strings.TrimSpace(string(text)); got != strconv.Itoa(p.Process.Pid) {
				t.Errorf("got %s, want %d", got, p.Process.Pid)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no %s; stderr: %s", ready, &p.stderr)
		}
	}
	if info, err := os.Stat(ready); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info, err)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
}

func TestTheCommandsOfTheGuideWork(t *testing.T) {
	needRoot(t)
	text, err := os.ReadFile("../../docs/guide/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "sudo dist/")
		if !ok {
			continue
		}
		command, _, _ = strings.Cut(command, "#")
		words := strings.Fields(command)
		dir := t.TempDir()
		p := start(t, words[0], append(words[1:], "--capture", "dir:"+dir)...)
		go func() { _, _ = io.Copy(io.Discard, p.stdout) }()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, "out", "tracee.pid")); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: not ready; stderr: %s", command, &p.stderr)
			}
		}
		if err := p.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		p.exit(0, patience)
		for line := range strings.Lines(p.stderr.String()) { // what signatures want, this kernel may lack
			if strings.Contains(line, "level=WARN") && !strings.Contains(line, "not available on this kernel") {
				t.Errorf("%s: %s", command, line)
			}
		}
		manifest(t, dir)
		ran++
	}
	if ran < 6 {
		t.Errorf("%d commands were found in the guide", ran)
	}
}
