// Command tracee watches a machine and reports attacks: collection and detection in one process. All of it is in
// cli.Tracee; this is the way there.
package main

import (
	"os"

	"github.com/tracee-go/tracee/cli"
)

func main() { os.Exit(cli.Tracee(os.Args[1:], os.Stdout, os.Stderr)) }
