package signatures

import (
	"encoding/json"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// text returns an argument as a string, empty when the event does not have it. It lives as long as the event.
func text(e *trace.Event, name string) string {
	a, ok := e.Lookup(name)
	if !ok {
		return ""
	}
	return a.Text()
}

// whole returns an argument that is a whole number.
func whole(e *trace.Event, name string) (int, bool) {
	a, ok := e.Lookup(name)
	if !ok || !a.Type().Kind.InSlot() {
		return 0, false
	}
	return int(a.Int()), true
}

// texts returns an argument that is a list of strings.
func texts(e *trace.Event, name string) []string {
	a, ok := e.Lookup(name)
	if !ok {
		return nil
	}
	if a.Type().Kind == trace.Strings {
		return a.Strings()
	}
	list, _ := a.Value().([]string)
	return list
}

// raw returns the bytes of an argument.
func raw(e *trace.Event, name string) []byte {
	a, ok := e.Lookup(name)
	if !ok {
		return nil
	}
	return a.Raw()
}

// document decodes an argument that is a JSON document into its Go form, the zero value when it is none.
func document[T any](e *trace.Event, name string) (value T) {
	a, ok := e.Lookup(name)
	if !ok || a.Type().Kind != trace.Document || json.Unmarshal(a.Raw(), &value) != nil {
		var none T
		return none
	}
	return value
}

// opensForWriting reports whether flags in the form of parse-arguments ask for writing.
func opensForWriting(flags string) bool {
	return strings.Contains(flags, "O_WRONLY") || strings.Contains(flags, "O_RDWR")
}

// opensForReading reports whether flags in the form of parse-arguments ask for reading. v0.8 shows no flags as "".
func opensForReading(flags string) bool { return !strings.Contains(flags, "O_WRONLY") }

// base returns what follows the last slash.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func endsIn(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

func containsAny(s string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

func startsWith(path string, directories []string) bool {
	for _, directory := range directories {
		if strings.HasPrefix(path, directory) {
			return true
		}
	}
	return false
}
