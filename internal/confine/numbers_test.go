package confine

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// architectures are those that are released, with the table that a filter is made by.
var architectures = map[string]*arch.Info{"amd64": arch.X86_64, "arm64": arch.AARCH64}

// source reads a file of Go's, or of a module that is compiled in: numbers that others wrote down.
func source(t *testing.T, ask []string, name string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go to ask where the source is")
	}
	dir, err := exec.Command("go", ask...).Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// numbersIn are the numbers that a text defines, by the names of calls.
func numbersIn(text string) map[string]int {
	numbers := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(?:#define)?\s*SYS_(\w+)[\s=]+(\d+)\s*$`).FindAllStringSubmatch(text, -1) {
		numbers[strings.ToLower(m[1])], _ = strconv.Atoi(m[2])
	}
	return numbers
}

func TestNumbersOfCallsAreThoseOfEachArchitecture(t *testing.T) {
	for name, table := range architectures {
		numbers := numbersIn(source(t, []string{"list", "-f", "{{.Dir}}", "golang.org/x/sys/unix"}, "zsysnum_linux_"+name+".go"))
		got, want := map[int]string{}, map[int]string{}
		for _, group := range allowed {
			for _, call := range group.calls {
				if number, ok := table.SyscallNames[call]; ok {
					got[number] = call
				}
				if number, ok := numbers[call]; ok {
					want[number] = call
				}
			}
		}
		if len(want) < 100 {
			t.Errorf("%s: only %d calls are known", name, len(want))
		}
		for number, call := range got {
			if want[number] == "" {
				t.Errorf("%s: %d, which the filter takes for %s, is another call", name, number, call)
			}
		}
		for number, call := range want {
			if got[number] == "" {
				t.Errorf("%s: the filter forbids %s, which is %d", name, call, number)
			}
		}
	}
}

// What Go itself calls can not be tried for another architecture, but its source names it.
func TestNothingIsTakenFromGoItself(t *testing.T) {
	var left []string
	for _, group := range allowed {
		left = append(left, group.calls...)
	}
	for _, c := range conditional() {
		left = append(left, c.Name)
	}
	left = append(left, "arch_prctl", "setittimer") // the first before there are threads; the second is misspelt there
	for name, table := range architectures {
		numbers := numbersIn(source(t, []string{"env", "GOROOT"}, "src/runtime/sys_linux_"+name+".s"))
		if len(numbers) < 25 {
			t.Errorf("%s: Go makes only the calls %v", name, numbers)
		}
		for call, number := range numbers {
			if !slices.Contains(left, call) {
				t.Errorf("%s: Go needs %s", name, call)
			}
			if got, known := table.SyscallNames[call]; known && got != number {
				t.Errorf("%s: %s is %d to the filter, and %d to Go", name, call, got, number)
			}
		}
	}
}
