//go:build !cgo || !linux

package rules

// pluginLoader refuses Go plugins: a static program can not load them.
type pluginLoader struct{}

func (pluginLoader) load(path string, _ *Set) []error {
	return []error{&FileError{
		Path: path, Text: "not loaded: Go plugins need a build with cgo (CGO_ENABLED=1 go build ./cmd/...)",
	}}
}

func (pluginLoader) finish(*Set) []error { return nil }
