// Command tracee-rules shows events to signatures and prints what they find, with the command line of Tracee v0.8. All of
// it is in cli.Rules; this is the way there.
package main

import (
	"os"

	"github.com/tracee-go/tracee/cli"
)

func main() { os.Exit(cli.Rules(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
