package events

import (
	"bytes"
	"fmt"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// symbol is a row of symbols.txt.
type symbol struct {
	table, name, value string // the value is empty where it is that of x/sys
}

func readSymbols(t *testing.T) []symbol {
	t.Helper()
	text, err := os.ReadFile("symbols.txt")
	if err != nil {
		t.Fatal(err)
	}
	var symbols []symbol
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '\t':
			row, _, _ := strings.Cut(strings.TrimSpace(line), " & ")
			name, value, _ := strings.Cut(row, " = ")
			symbols = append(symbols, symbol{table, name, value})
		default:
			_, table, _ = strings.Cut(line, " ")
		}
	}
	return symbols
}

// unixConstants are the integer constants of golang.org/x/sys/unix on this machine.
var unixConstants = sync.OnceValues(func() (map[string]uint64, error) {
	unixPackage, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("golang.org/x/sys/unix")
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for _, name := range unixPackage.Scope().Names() {
		c, ok := unixPackage.Scope().Lookup(name).(*types.Const)
		if !ok || c.Val().Kind() != constant.Int {
			continue
		}
		if n, exact := constant.Uint64Val(c.Val()); exact {
			values[name] = n
		} else if n, exact := constant.Int64Val(c.Val()); exact {
			values[name] = uint64(n)
		}
	}
	return values, nil
})

// libc are names that x/sys has with the values of libc, which the kernel does not see.
var libc = []string{"F_GETLK", "F_SETLK", "F_SETLKW", "F_GETLK64", "F_SETLK64", "F_SETLKW64", "O_LARGEFILE", "O_TMPFILE"}

// oneMachine are names that x/sys has for x86 only, and symbols.txt for all.
var oneMachine = []string{"MAP_32BIT", "PTRACE_GETFPREGS", "PTRACE_SETFPREGS", "PTRACE_GETFPXREGS", "PTRACE_SETFPXREGS"}

func TestSymbolsTakeTheirValuesFromTheLibraryThatHasThem(t *testing.T) {
	constants, err := unixConstants()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range readSymbols(t) {
		_, known := constants[s.name]
		if s.value != "" && known && !slices.Contains(libc, s.name) && !slices.Contains(oneMachine, s.name) {
			t.Errorf("%s: %s = %s: x/sys has it now; leave out the value", s.table, s.name, s.value)
		}
	}
}

func TestNoTableNamesAValueTwice(t *testing.T) {
	seen := map[symbol]bool{}
	for _, s := range readSymbols(t) {
		s.value = ""
		if seen[s] {
			t.Errorf("%s: %s stands there twice", s.table, s.name)
		}
		seen[s] = true
	}
}

// headers of the kernel in which programs find the constants.
var headers = strings.Fields(`linux/aio_abi.h linux/blkpg.h linux/bpf.h linux/capability.h linux/cdrom.h linux/dm-ioctl.h
	linux/elf.h linux/errqueue.h linux/eventpoll.h linux/falloc.h linux/fanotify.h linux/fcntl.h linux/fs.h
	linux/fscrypt.h linux/fsverity.h linux/futex.h linux/fiemap.h linux/hdreg.h linux/if_alg.h linux/if_bonding.h
	linux/if_ether.h linux/if_packet.h linux/if_tun.h linux/in.h linux/in6.h linux/inotify.h linux/io_uring.h linux/ioprio.h
	linux/ipc.h linux/kcmp.h linux/kd.h linux/kexec.h linux/keyctl.h linux/kvm.h linux/landlock.h linux/loop.h linux/lsm.h
	linux/magic.h linux/membarrier.h linux/memfd.h linux/mempolicy.h linux/mman.h linux/module.h linux/mount.h linux/msg.h
	linux/net.h linux/netlink.h linux/nsfs.h linux/openat2.h linux/perf_event.h linux/personality.h linux/pidfd.h
	linux/prctl.h linux/ptrace.h linux/quota.h linux/dqblk_xfs.h linux/random.h linux/reboot.h linux/resource.h linux/rseq.h
	linux/sched.h linux/sched/types.h linux/seccomp.h linux/securebits.h linux/sem.h linux/shm.h linux/signal.h
	linux/signalfd.h linux/sockios.h linux/stat.h linux/tcp.h linux/time.h linux/timerfd.h linux/tipc.h linux/udp.h
	linux/userfaultfd.h linux/vt.h linux/wait.h linux/xattr.h asm/ioctls.h asm/prctl.h asm/ptrace.h asm/socket.h
	scsi/sg.h linux/netfilter_ipv4/ip_tables.h`)

// compileSymbols has a compiler compare values with the kernel's headers. It returns the names that those do not have,
// and those that have another value there.
func compileSymbols(t *testing.T, symbols []symbol, value func(symbol) string) (unknown, wrong []string) {
	t.Helper()
	compiler, err := exec.LookPath("clang-16")
	if err != nil {
		t.Skip("comparing with the kernel's headers needs clang-16")
	}
	if _, err := os.Stat("/usr/include/linux/fs.h"); err != nil {
		t.Skip("no headers of the kernel (linux-libc-dev)")
	}
	var source bytes.Buffer
	line := 1
	for _, header := range headers {
		if matches, _ := filepath.Glob("/usr/include/*/" + header); matches == nil {
			if _, err := os.Stat("/usr/include/" + header); err != nil {
				continue
			}
		}
		fmt.Fprintf(&source, "#include <%s>\n", header)
		line++
	}
	for _, s := range symbols {
		fmt.Fprintf(&source, "_Static_assert((unsigned long long)(%s) == (unsigned long long)(%s), \"\");\n", s.name, value(s))
	}
	command := exec.Command(compiler, "-x", "c", "-fsyntax-only", "-ferror-limit=0", "-Wno-everything", "-D__user=", "-")
	command.Stdin = &source
	output, _ := command.CombinedOutput()
	report := regexp.MustCompile(`(?m)^<stdin>:(\d+):\d+: error: (.*)$`)
	failed := map[int]bool{}
	for _, match := range report.FindAllStringSubmatch(string(output), -1) {
		n, _ := strconv.Atoi(match[1])
		if n < line {
			t.Fatalf("headers do not compile: %s", match[0])
		}
		if failed[n] {
			continue
		}
		failed[n] = true
		name := symbols[n-line].name
		if strings.Contains(match[2], "static assertion failed") || strings.Contains(match[2], "static_assert failed") {
			wrong = append(wrong, name)
		} else {
			unknown = append(unknown, name)
		}
	}
	if rest := report.ReplaceAllString(string(output), ""); strings.Contains(rest, "fatal error") {
		t.Fatalf("%s", output)
	}
	return unknown, wrong
}

func TestSymbolsHaveTheValuesOfTheKernelsHeaders(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the compiler's headers are of this machine, and some values of symbols.txt of x86")
	}
	constants, err := unixConstants()
	if err != nil {
		t.Fatal(err)
	}
	symbols := readSymbols(t)
	symbols = slices.DeleteFunc(symbols, func(s symbol) bool { return !regexp.MustCompile(`^\w+$`).MatchString(s.name) })
	unknown, wrong := compileSymbols(t, symbols, func(s symbol) string {
		switch value, ok := constants[s.name]; {
		case s.value == "kernelLargeFile":
			return strconv.FormatUint(kernelLargeFile, 10)
		case s.value == "O_TMPFILE &^ O_DIRECTORY":
			return "__O_TMPFILE | O_DIRECTORY"
		case s.value != "":
			if other, ok := constants[s.value]; ok {
				return strconv.FormatUint(other, 10) + "ull"
			}
			return s.value
		case ok:
			return strconv.FormatUint(value, 10) + "ull"
		default:
			t.Errorf("%s: x/sys has no %s", s.table, s.name)
			return "0"
		}
	})
	for _, name := range wrong {
		t.Errorf("%s has another value in the kernel's headers", name)
	}
	t.Logf("%d of %d names are newer than the headers, or in none: %s", len(unknown), len(symbols), strings.Join(unknown, " "))
	if known := len(symbols) - len(unknown); known < len(symbols)*3/4 {
		t.Errorf("only %d of %d names are in the headers", known, len(symbols))
	}
}
