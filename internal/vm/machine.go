package vm

// An Arch is an architecture by the name that both Go and Debian have for it.
type Arch string

const (
	AMD64 Arch = "amd64"
	ARM64 Arch = "arm64"
)

// A machine is what QEMU emulates for an architecture.
type machine struct {
	qemu      string // the program
	debian    string // the package that has it
	arguments []string
	console   string // the first serial line, as the kernel calls it
}

// Serial lines that need no module: ISA ports, and since QEMU 9.1 a second PL011.
var machines = map[Arch]machine{
	AMD64: {qemu: "qemu-system-x86_64", debian: "qemu-system-x86", console: "ttyS0", arguments: []string{"-cpu", "max"}},
	// Not -cpu max: to sign pointers as that does costs the emulation more than all the rest.
	ARM64: {
		qemu: "qemu-system-aarch64", debian: "qemu-system-arm", console: "ttyAMA0",
		arguments: []string{"-machine", "virt", "-cpu", "neoverse-n1"},
	},
}
