// Command tracee-ebpf traces events and syscalls in the kernel and prints them, with the command line of Tracee v0.8. All
// of it is in cli.EBPF; this is the way there.
package main

import (
	"os"

	"github.com/tracee-go/tracee/cli"
)

func main() { os.Exit(cli.EBPF(os.Args[1:], os.Stdout, os.Stderr)) }
