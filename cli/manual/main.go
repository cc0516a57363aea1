// Command manual writes the pages of the manual from the declarations of the command lines. It is run by go generate, and
// its output is committed; the same declarations give the same bytes.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/tracee-go/tracee/cli"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: manual DIR, where to write the pages")
	}
	if err := os.MkdirAll(os.Args[1], 0o755); err != nil {
		log.Fatal(err)
	}
	for name, page := range cli.ManualPages() {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), page, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
