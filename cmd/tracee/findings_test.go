package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// finding is what the tests read of a line of tracee's JSON.
type finding struct {
	Signature struct{ ID string }
	Data      map[string]any
	Event     struct {
		HostProcessID int
		ProcessName   string
		EventName     string
	}
}

// scene is something that a process does, and the findings that it gives, as "<id> <event> <data>" or the id alone.
type scene struct {
	name string
	play func(t *testing.T) (pid int)
	want []string
}

func scenes(address string) []scene {
	host, port, _ := net.SplitHostPort(address)
	onSocket := fmt.Sprintf("map[fd:0 ip:%s port:%s]", host, port)
	acted := func(args ...string) func(*testing.T) int {
		return func(t *testing.T) int { return perform(t, args...) }
	}
	return []scene{
		{"input from a socket", acted("connect-dup", address), []string{"TRC-1 dup3 " + onSocket}},
		{"a shell's input from a socket", func(t *testing.T) int {
			if _, err := exec.LookPath("bash"); err != nil {
				t.Skip("bash opens sockets by the name of a file; it is not here")
			}
			return execute(t, exec.Command("bash", "-c", "exec 3<>/dev/tcp/"+host+"/"+port+" 0<&3"))
		}, []string{"TRC-2310", "TRC-2911", "TRC-1 dup2 " + onSocket, "TRC-2301"}},
		{"a connection", acted("connect", address), nil},

		{"anti-debugging", acted("ptrace"), []string{"TRC-2 ptrace map[]"}},

		{"code written into executable memory", acted("write-code"), []string{"TRC-2401", "TRC-4 mem_prot_alert map[]"}},
		{"code written and then made executable", acted("map-code"), []string{"TRC-2402"}},

		{"a program in a memfd", func(t *testing.T) int {
			command := exec.Command("/proc/self/fd/3")
			command.ExtraFiles = []*os.File{memfdOfTrue(t)}
			return execute(t, command)
		}, []string{"TRC-5 sched_process_exec map[]"}},
		{"a program in /dev/shm", func(t *testing.T) int {
			return executeCopy(t, fmt.Sprintf("/dev/shm/tracee-test-%d", os.Getpid()))
		}, []string{"TRC-5 sched_process_exec map[]"}},
		{"a program on a disk", func(t *testing.T) int {
			return executeCopy(t, filepath.Join(t.TempDir(), "true"))
		}, nil},

		{"LD_PRELOAD", trueWith("LD_PRELOAD=/nowhere/library.so"), []string{"TRC-7 execve map[]"}},
		{"LD_LIBRARY_PATH", trueWith("LD_LIBRARY_PATH=/nowhere"), []string{"TRC-7 execve map[]"}},
		{"another variable", trueWith("LD_PRELOADX=/nowhere/library.so"), nil},
		{"writing ld.so.preload", acted("write-ld.so.preload"), []string{"TRC-7 security_file_open map[]"}},
		{"renaming to ld.so.preload", acted("rename-ld.so.preload"), []string{"TRC-7 security_inode_rename map[]"}},
		{"reading ld.so.preload", acted("read-ld.so.preload"), nil},
	}
}

func executeCopy(t *testing.T, path string) (pid int) {
	t.Helper()
	copyOfTrue(t, path)
	return execute(t, exec.Command(path))
}

func trueWith(variable string) func(*testing.T) int {
	return func(t *testing.T) int {
		command := exec.Command("/bin/true")
		command.Env = append(os.Environ(), variable)
		return execute(t, command)
	}
}

func TestTraceeFindsWhatAttacksDoAndNothingElse(t *testing.T) {
	needRoot(t)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := start(t, "tracee", "--output", "json")
	p.awaitStderr(ready)

	played := map[int]scene{}
	for _, s := range scenes(listener.Addr().String()) {
		t.Run(s.name, func(t *testing.T) { played[s.play(t)] = s })
	}
	last := perform(t, "ptrace")
	found := map[int][]string{}
	for found[last] == nil {
		line := p.line()
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		pid := f.Event.HostProcessID // other processes of this machine may be found out too
		found[pid] = append(found[pid], fmt.Sprint(f.Signature.ID, " ", f.Event.EventName, " ", f.Data))
	}
	for pid, s := range played {
		if !slices.EqualFunc(found[pid], s.want, func(got, want string) bool {
			return got == want || strings.HasPrefix(got, want+" ")
		}) {
			t.Errorf("%s: got %q, want %q", s.name, found[pid], s.want)
		}
	}
}
