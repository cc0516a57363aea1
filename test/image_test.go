package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dockerLines are the commands of the documentation that run the image.
func dockerLines(t *testing.T) (lines []string) {
	t.Helper()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, regexp.MustCompile(`(?m)^docker run .*$`).FindAllString(string(text), -1)...)
	}
	if len(lines) < 3 {
		t.Fatalf("the documentation has only %q", lines)
	}
	return lines
}

// privilegesOf are the flags for what tracee needs: --privileged, unless this machine has less to give than that asks for.
func privilegesOf(d *docker) string {
	d.t.Helper()
	const all = " --privileged "
	output, err := d.command("run", "--rm", "--privileged", "--network=none", "tracee:latest", "version").CombinedOutput()
	if err == nil {
		return all
	}
	if !strings.Contains(string(output), "unable to apply caps") {
		d.t.Fatalf("docker run --privileged: %v: %s", err, output)
	}
	d.t.Log("this machine can not give containers all capabilities: they get those that tracee needs")
	flags := " --security-opt=seccomp=unconfined --security-opt=apparmor=unconfined "
	for _, name := range strings.Fields("DAC_READ_SEARCH NET_ADMIN SYS_ADMIN SYS_PTRACE SYSLOG") {
		flags += "--cap-add=" + name + " "
	}
	return flags
}

// TestImageWatchesTheMachineAroundIt builds the image as make image does, and runs it as the documentation says.
func TestImageWatchesTheMachineAroundIt(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	d := startDocker(t)
	content := buildCommands(t, "../cmd/...")
	for from, to := range map[string]string{"../signatures/rego": "rules", "../templates": "templates"} {
		if err := os.CopyFS(filepath.Join(content, to), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	d.must("build", "--tag", "tracee:latest", "--file", "../deploy/Dockerfile", content)
	client, err := exec.LookPath("docker")
	if err != nil {
		t.Fatal(err)
	}
	privileges := privilegesOf(d)
	// Whatever a line runs, this is a finding or an event of it.
	seen := regexp.MustCompile(`(?m)^\{.*("id":"TRC-2".*"processName":"strace"|"processName":"strace".*"eventName":"execve").*\}$`)
	for _, line := range dockerLines(t) {
		t.Run("", func(t *testing.T) {
			line = strings.ReplaceAll(line, " -it ", " ") // there is no terminal
			line = strings.ReplaceAll(line, " --privileged ", privileges)
			c := run(t, filepath.Dir(client), strings.Replace(line, "docker run", "docker --host unix://"+d.socket()+" run --network=none", 1))
			c.await(seen, func() {
				if output, err := exec.Command(strace, "-o", os.DevNull, "ls").CombinedOutput(); err != nil {
					t.Fatalf("strace: %v: %s", err, output)
				}
			})
			c.interrupt()
		})
	}
}
