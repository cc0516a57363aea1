package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

var serving = regexp.MustCompile(`msg=serving address=(\S+)`)

// address waits until the command serves, and says where.
func (p *process) address() string {
	p.t.Helper()
	p.awaitStderr("msg=serving")
	return serving.FindStringSubmatch(p.stderr.String())[1]
}

// get returns the status and the body of an answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// awaitAnswer asks until the answer is as wanted.
func awaitAnswer(t *testing.T, url string, status int, body string) {
	t.Helper()
	var got int
	var text string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got, text = get(t, url); got == status && strings.Contains(text, body) {
			return
		}
	}
	t.Fatalf("%s: got %d %q, want %d %q", url, got, text, status, body)
}

func TestHealthIsThatEventsMove(t *testing.T) {
	needRoot(t)
	stir(t)
	p := start(t, "tracee-ebpf", "--healthz", "--metrics", "--pprof", "--listen-addr", "127.0.0.1:0", "--verbose", "--output", "json",
		"--perf-buffer-size", "64", "--trace", "event=openat") // whatever else goes over the network
	url := "http://" + p.address()
	awaitAnswer(t, url+"/healthz", http.StatusServiceUnavailable, "starting")
	p.line()
	awaitAnswer(t, url+"/healthz", http.StatusOK, "OK")
	// Nobody reads on: the pipe fills, and then the rings.
	awaitAnswer(t, url+"/healthz", http.StatusServiceUnavailable, "no event has moved for")
	go func() { _, _ = io.Copy(io.Discard, p.stdout) }()
	awaitAnswer(t, url+"/healthz", http.StatusOK, "OK")
	awaitAnswer(t, url+"/metrics", http.StatusOK, `tracee_ebpf_losses_total{event="openat",reason="ring_full"}`)
	_, metrics := get(t, url+"/metrics")
	for _, want := range []string{
		`(?m)^tracee_ebpf_events_total [1-9]`, `(?m)^tracee_ebpf_lostevents_total [1-9]`, `(?m)^tracee_ebpf_errors_total 0$`,
		`(?m)^tracee_ebpf_netevents_total 0$`, `(?m)^tracee_ebpf_write_lostevents_total 0$`,
		`(?m)^tracee_ebpf_network_lostevents_total 0$`, `(?m)^tracee_ebpf_ring_size_bytes\{ring="bulk"\} 524288$`,
		`(?m)^tracee_ebpf_ring_used_bytes\{ring="bulk"\} `, `(?m)^go_goroutines `, `(?m)^process_cpu_seconds_total `,
	} {
		if !regexp.MustCompile(want).MatchString(metrics) {
			t.Errorf("no %s in the metrics: %s", want, metrics)
		}
	}
	if status, body := get(t, url+"/debug/pprof/"); status != http.StatusOK || !strings.Contains(body, "goroutine") {
		t.Errorf("profiles: got %d", status)
	}
}

func TestTraceeServesMetricsOfCollectionAndDetection(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee", "--metrics", "--healthz", "--listen-addr", "127.0.0.1:0", "--verbose", "--rules", "TRC-2")
	url := "http://" + p.address()
	p.awaitStderr(ready)
	perform(t, "ptrace")
	p.line()
	awaitAnswer(t, url+"/metrics", http.StatusOK, "tracee_rules_detections_total 1")
	awaitAnswer(t, url+"/metrics", http.StatusOK, "tracee_rules_signatures_total 1")
	awaitAnswer(t, url+"/metrics", http.StatusOK, "tracee_ebpf_events_total ")
	awaitAnswer(t, url+"/healthz", http.StatusOK, "OK")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
}

func TestQuietTraceeSaysNothing(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee", "--quiet", "--rules", "TRC-2", "--healthz", "--listen-addr", "127.0.0.1:39471")
	time.Sleep(time.Second)
	awaitAnswer(t, "http://127.0.0.1:39471/healthz", http.StatusOK, "OK")
	perform(t, "ptrace")
	p.line()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
	if got := p.stderr.String(); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
}

// permitted reads the capabilities that a process has.
func (p *process) permitted() *cap.Set {
	p.t.Helper()
	set, err := cap.GetPID(p.Process.Pid)
	if err != nil {
		p.t.Fatal(err)
	}
	return set
}

func TestOnlyNeededCapabilitiesAreKept(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{nil, "[cap_bpf cap_perfmon cap_sys_ptrace cap_dac_read_search cap_syslog]"},
		{
			[]string{"--caps", "add=cap_kill,CAP_CHOWN", "--caps", "add!=cap_syslog"},
			"[cap_bpf cap_perfmon cap_sys_ptrace cap_dac_read_search cap_kill cap_chown]",
		},
	} {
		p := start(t, "tracee-ebpf", append([]string{"--output", "none", "--verbose"}, test.flags...)...)
		p.awaitStderr("capabilities are dropped")
		if got := p.stderr.String(); !strings.Contains(got, `kept="`+test.want+`"`) {
			t.Errorf("%s: got %s, want %s", test.flags, got, test.want)
		}
		set := p.permitted()
		want := cap.NewSet()
		for name := range strings.FieldsSeq(strings.Trim(test.want, "[]")) {
			value, err := cap.FromName(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := want.SetFlag(cap.Permitted, true, value); err != nil {
				t.Fatal(err)
			}
			if err := want.SetFlag(cap.Effective, true, value); err != nil {
				t.Fatal(err)
			}
		}
		if differ, err := set.Cf(want); err != nil || differ != 0 {
			t.Errorf("%s: got %s, want %s", test.flags, set, want)
		}
	}
}

func TestCapabilitiesCanBeKept(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee-ebpf", "--output", "none", "--verbose", "--caps", "cancel-drop")
	p.awaitStderr("all capabilities are kept")
	set := p.permitted()
	if has, err := set.GetFlag(cap.Effective, cap.SYS_ADMIN); err != nil || !has {
		t.Errorf("got %s, want all", set)
	}
}

func TestCapabilitiesThatCanNotBeDroppedAreAnError(t *testing.T) {
	needRoot(t)
	const failed = "drop capabilities: operation not permitted - to avoid this error use the --allow-high-capabilities flag"
	p := start(t, "restrained", "no-capset", "tracee-ebpf", "--output", "none")
	p.exit(1, patience)
	if got := p.stderr.String(); !strings.Contains(got, failed) {
		t.Errorf("got %q, want %q", got, failed)
	}
	for _, flag := range []string{"--ahc", "--caps=allow-failed-drop"} {
		p = start(t, "restrained", "no-capset", "tracee-ebpf", "--output", "none", flag)
		p.awaitStderr(`msg="running with capabilities that are not needed"`)
	}
	p = start(t, "restrained", "no-capset", "tracee-rules", "--list")
	p.exit(1, patience)
	if got, want := p.stderr.String(), fmt.Sprintf("tracee-rules: %s\n", failed); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
