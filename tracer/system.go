package tracer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Errors about the machine. Each is wrapped in an error that says what to do.
var (
	ErrNotPermitted = errors.New("not permitted")
	ErrNoBPF        = errors.New("no BPF")
	ErrNoBTF        = errors.New("no type information of the kernel")
	ErrLockedDown   = errors.New("kernel lockdown")
)

const (
	btfPath      = "/sys/kernel/btf/vmlinux"
	lockdownPath = "/sys/kernel/security/lockdown"
)

// Check finds out early, and says plainly, what would otherwise fail late with the kernel's bare error codes. New does it
// too.
func Check() error {
	if err := checkCapabilities(); err != nil {
		return err
	}
	if err := checkLockdown(lockdownPath); err != nil {
		return err
	}
	if err := checkBTF(btfPath); err != nil {
		return err
	}
	return checkPrograms()
}

// checkLockdown refuses the mode in which the kernel lets no BPF program read its memory.
func checkLockdown(path string) error {
	state, err := os.ReadFile(path)
	if err != nil {
		return nil // no securityfs, or a kernel without lockdown
	}
	if strings.Contains(string(state), "[confidentiality]") {
		return fmt.Errorf("%w is set to 'confidentiality', can't load eBPF programs: "+
			"boot with lockdown=integrity or without it", ErrLockedDown)
	}
	return nil
}

func checkBTF(path string) error {
	if path := os.Getenv("TRACEE_BTF_FILE"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("could not open TRACEE_BTF_FILE path: %w", err)
		}
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w (%s): use a kernel built with CONFIG_DEBUG_INFO_BTF=y, "+
			"or name a BTF file of this very kernel in TRACEE_BTF_FILE", ErrNoBTF, path)
	}
	return nil
}

// checkPrograms loads the smallest program there is: what forbids all programs would otherwise be told once for each event.
func checkPrograms() error {
	_ = rlimit.RemoveMemlock() // see newLoader
	smallest, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.RawTracepoint,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		License:      "GPL",
	})
	switch {
	case err == nil:
		return smallest.Close()
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w in this kernel: use one built with CONFIG_BPF_SYSCALL=y", ErrNoBPF)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the kernel refuses BPF programs: a seccomp profile or a security module forbids them "+
			"(in a container: docker run --privileged)", ErrNotPermitted)
	default:
		return fmt.Errorf("%w: the kernel refuses even an empty program: %w", ErrNoBPF, err)
	}
}

// capability numbers from include/uapi/linux/capability.h that x/sys knows by name.
var neededCapabilities = []struct {
	name   string
	number int
}{
	{"CAP_BPF", unix.CAP_BPF},
	{"CAP_PERFMON", unix.CAP_PERFMON},
}

// checkCapabilities accepts CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON (Linux 5.8).
func checkCapabilities() error {
	effective, err := effectiveCapabilities()
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	if effective&(1<<unix.CAP_SYS_ADMIN) != 0 {
		return nil
	}
	var missing []string
	for _, c := range neededCapabilities {
		if effective&(1<<c.number) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: tracing the kernel needs root: run it with sudo, or give it %s",
			ErrNotPermitted, strings.Join(missing, " and "))
	}
	return fmt.Errorf("%w: missing %s: run it with full capabilities "+
		"(in a container: docker run --privileged)", ErrNotPermitted, strings.Join(missing, " and "))
}

func effectiveCapabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, err
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32, nil
}
