package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// installVariable asks for the test of the installation: it fetches a Debian, once, and boots it. It may name the directory
	// of a release, which is then not made.
	installVariable = "TRACEE_TEST_INSTALL"
	// debianDir is where that Debian is kept; it is never written to.
	debianDir = "/var/cache/tracee-debian"
	// readFrom is the page whose commands are tried.
	readFrom = "../docs/quick-start.md"

	patience = 3 * time.Minute
)

// fetchDebian makes the tree of a Debian 12 with systemd, unless it is there.
func fetchDebian(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(debianDir); err == nil {
		return
	}
	incomplete := debianDir + ".new"
	if err := os.RemoveAll(incomplete); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	output, err := exec.Command("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,strace", "bookworm", incomplete).CombinedOutput()
	if err == nil {
		err = os.Rename(incomplete, debianDir)
	}
	if err != nil {
		t.Fatalf("debootstrap: %v: %s", err, output)
	}
	t.Logf("%6.1f s to fetch Debian", time.Since(begin).Seconds())
}

// machine is a Debian that runs in a container, under its own systemd.
type machine struct {
	t      *testing.T
	leader string // the process id of its systemd
	began  time.Time
}

// bootDebian boots a Debian that forgets what is done to it, and has the release at /release.
func bootDebian(t *testing.T, release string) *machine {
	t.Helper()
	name := fmt.Sprintf("tracee-test-%d", os.Getpid())
	var console bytes.Buffer
	nspawn := exec.Command("systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--register=no", "--keep-unit", "--console=pipe",
		"--capability=all", "--private-users=no", "--machine="+name, "--bind-ro="+release+":/release", "--directory="+debianDir)
	nspawn.Env = append(os.Environ(), "SYSTEMD_SECCOMP=0") // its filter has no bpf
	nspawn.Stdout, nspawn.Stderr = &console, &console
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = nspawn.Wait() }()
	t.Cleanup(func() {
		_ = nspawn.Process.Signal(syscall.SIGTERM) // which halts it
		select {
		case <-ended:
		case <-time.After(patience):
			_ = nspawn.Process.Kill()
			<-ended
		}
	})
	m := &machine{t: t, began: time.Now()}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("systemd-nspawn ended: %s", &console)
		default:
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", nspawn.Process.Pid))
		for _, file := range files {
			children, _ := os.ReadFile(file)
			m.leader, _, _ = strings.Cut(string(children), " ")
			if m.leader == "" {
				continue
			}
			state, _ := m.command("systemctl is-system-running").Output()
			if s := strings.TrimSpace(string(state)); s == "running" || s == "degraded" {
				return m
			}
		}
	}
	t.Fatal("Debian does not come up")
	return nil
}

// command is a command line in the machine, of somebody who is root.
func (m *machine) command(line string) *exec.Cmd {
	shell := exec.Command("nsenter", "--target", m.leader, "--all", "bash", "-c", "cd /root; sudo() { \"$@\"; }; "+line)
	shell.Dir = "/" // which is there in both
	shell.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive"}
	return shell
}

// must runs a command line of the machine, and says how long it took.
func (m *machine) must(line string) string {
	m.t.Helper()
	begin := time.Now()
	output, err := m.command(line).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v: %s", line, err, output)
	}
	m.t.Logf("%6.1f s %s", time.Since(begin).Seconds(), line)
	return string(output)
}

// await repeats a command until it says all that is wanted.
func (m *machine) await(line string, wanted ...string) {
	m.t.Helper()
	var output []byte
	begin := time.Now()
	for time.Since(begin) < patience {
		output, _ = m.command(line).CombinedOutput()
		if !slices.ContainsFunc(wanted, func(text string) bool { return !bytes.Contains(output, []byte(text)) }) {
			m.t.Logf("%6.1f s until %s says %s", time.Since(begin).Seconds(), line, strings.Join(wanted, ", "))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.t.Fatalf("%s: got %s, want %q in it", line, output, wanted)
}

// until runs a command that goes on, until it has said something; then it is interrupted.
func (m *machine) until(line, wanted string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	script := fmt.Sprintf("exec 3< <(exec %s 2>&1); grep --max-count=1 --fixed-strings -- '%s' <&3; code=$?; kill -TERM $!; wait $!; exit $code", line, wanted)
	command := m.command(script)
	watched := exec.CommandContext(ctx, command.Path, command.Args[1:]...)
	watched.Env, watched.Dir = command.Env, command.Dir
	if output, err := watched.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s; want %q in it", line, err, output, wanted)
	}
}

// pageLines are the commands of the quick start that begin with one of some words, without comments.
func pageLines(t *testing.T, words string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(readFrom)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, "  #")
			if regexp.MustCompile(`^(sudo )?(` + words + `)\b`).MatchString(line) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no command that begins with %s", readFrom, words)
	}
	return lines
}

// TestInstalledOnAFreshDebianItFindsWhatTheQuickStartSays does what a new user does, command by command.
func TestInstalledOnAFreshDebianItFindsWhatTheQuickStartSays(t *testing.T) {
	if os.Getenv(installVariable) == "" {
		t.Skip(installVariable + " is not set: make test-install fetches a Debian and boots it")
	}
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: apt-get install debootstrap systemd-container", tool)
		}
	}
	release := os.Getenv(installVariable)
	if !filepath.IsAbs(release) {
		release = t.TempDir()
		begin := time.Now()
		if err := makeAll("..", release, "v0.0.1", []string{"amd64"}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%6.1f s to make the release", time.Since(begin).Seconds())
	}
	fetchDebian(t)
	m := bootDebian(t, release)
	t.Logf("%6.1f s to boot", time.Since(m.began).Seconds())

	m.must("cp /release/* .")
	for _, line := range pageLines(t, "sha256sum|tar") {
		m.must(line)
	}
	m.until("tracee-*/tracee --allow-second", "; ready in ")
	for _, line := range pageLines(t, "apt|systemctl|strace|cp|LD_PRELOAD.*") {
		m.must(line)
	}
	m.await("journalctl --unit tracee --output cat", `"id":"TRC-2"`, `"id":"TRC-5"`, `"id":"TRC-7"`)
	for _, line := range pageLines(t, "journalctl") {
		if strings.HasSuffix(line, "--follow") {
			m.until(line, `"id":"TRC-2"`)
			continue
		}
		m.must(line)
	}
	m.await("cat tracee.html", "TRC-2", "TRC-5", "TRC-7")
	m.must("systemctl is-active tracee")
	m.must("apt-get purge --yes tracee")
	if left := m.must("ls -d /usr/bin/tracee* /etc/tracee /var/lib/tracee /usr/share/tracee 2>/dev/null || true"); left != "" {
		t.Errorf("after purge, there is %s", left)
	}
}

// What is made for arm64 starts, as far as that can be tried without such a machine: the kernel's side is for test/kernels.
func TestProgramsForARM64Start(t *testing.T) {
	if os.Getenv(installVariable) == "" {
		t.Skip(installVariable + " is not set: to build for another architecture takes minutes")
	}
	const emulator = "qemu-aarch64-static"
	if _, err := exec.LookPath(emulator); err != nil {
		t.Skip("no " + emulator + ": apt-get install qemu-user-static")
	}
	r := &release{root: "..", arch: "arm64", programs: t.TempDir()}
	if err := r.build(); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"tracee", "version", "linux/arm64"}, {"tracee-rules", "--list", "TRC-2 "}, {"tracee-ebpf", "--list", "\nopenat "}} {
		output, err := exec.Command(emulator, filepath.Join(r.programs, c[0]), c[1]).CombinedOutput()
		if err != nil || !strings.Contains(string(output), c[2]) {
			t.Errorf("%s %s: %v: got %.500s, want %q in it", c[0], c[1], err, output, c[2])
		}
	}
}
