package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/types/detect"
)

// completeTrace completes an expression of --trace: a field, or an argument of an event, an operator, and what is known of
// values.
func completeTrace(typed string) []candidate {
	operator := strings.IndexAny(typed, "=!<>")
	if operator <= 0 {
		return traceNames(typed)
	}
	name, rest := typed[:operator], typed[operator:]
	values := rest[len(rest)-len(strings.TrimLeft(rest, "=!<>")):]
	done := typed[:len(typed)-len(values)]
	if comma := strings.LastIndexByte(values, ','); comma >= 0 {
		done += values[:comma+1]
	}
	var found []candidate
	for _, value := range traceValues(name) {
		found = append(found, candidate{done + value.value, value.doc})
	}
	return found
}

// enoughTyped is how much of the name of an event must be there before events come up: they are many.
const enoughTyped = 3

// traceNames are what an expression begins with.
func traceNames(typed string) []candidate {
	docs := map[string]string{}
	for _, f := range filter.Fields() {
		docs[f.Name] = f.Doc
	}
	found := []candidate{{"help", "print how to filter"}, {"!container", "all but containers"}}
	for _, name := range filter.Names() {
		switch name {
		case "container":
			found = append(found, candidate{name, "containers only"}, candidate{name + "=", "one of them"})
		case "follow":
			found = append(found, candidate{name, "and what they start"})
		default:
			found = append(found, candidate{name + "=", docs[name]})
		}
	}
	if event, _, dotted := strings.Cut(typed, "."); dotted {
		return append(found, argumentNames(event)...)
	}
	if len(typed) >= enoughTyped {
		for _, e := range events.InSet(events.AllEvents) {
			found = append(found, candidate{e.Name + ".", "arguments of the event"})
		}
	}
	return found
}

func argumentNames(event string) []candidate {
	e, ok := events.Lookup(event)
	if !ok {
		return nil
	}
	found := []candidate{{event + ".retval=", "return value"}}
	for _, a := range e.Args {
		found = append(found, candidate{event + "." + a.Name + "=", a.Type.Name})
	}
	return found
}

func traceValues(name string) []candidate {
	var found []candidate
	switch {
	case strings.HasPrefix("event", name):
		for _, e := range events.InSet(events.AllEvents) {
			found = append(found, candidate{e.Name, firstSentence(e.Doc)})
		}
	case strings.HasPrefix("set", name):
		for _, s := range events.Sets() {
			found = append(found, candidate{string(s), ""})
		}
	case strings.HasPrefix("container", name):
		found = []candidate{{"new", "that started after tracing did"}, {"started", "all that have started"}}
	case name == "pid" || name == "p":
		found = []candidate{{"new", "that began after tracing did"}}
	case name == "net":
		interfaces, _ := net.Interfaces() // without them, there is nothing to complete
		for _, i := range interfaces {
			found = append(found, candidate{i.Name, ""})
		}
	}
	return found
}

func firstSentence(doc string) string {
	sentence, _, _ := strings.Cut(doc, ". ")
	return strings.TrimSuffix(strings.ReplaceAll(sentence, "\n", " "), ".")
}

// completeOutput completes a value of --output of tracee-ebpf.
func completeOutput(typed string) []candidate {
	for _, key := range []string{"out-file:", "err-file:", "format:gotemplate=", "gotemplate="} {
		if path, ok := strings.CutPrefix(typed, key); ok {
			return under(key, completeFile(path))
		}
	}
	found := []candidate{
		{"help", "print all formats and options"}, {"out-file:", "write events there"}, {"err-file:", "write errors there"},
	}
	for _, f := range output.Formats() {
		flag, _, _ := strings.Cut(f.Flag, "/")
		found = append(found, candidate{flag, f.Doc}, candidate{"format:" + flag, f.Doc})
	}
	for _, s := range outputSwitches {
		found = append(found, candidate{"option:" + s.name, s.doc})
	}
	return append(found, completeURL()...)
}

func completeCache(typed string) []candidate {
	if directory, ok := strings.CutPrefix(typed, "disk-cache-dir="); ok {
		return under("disk-cache-dir=", completeDirectory(directory))
	}
	return []candidate{
		{"help", "print all options"},
		{"none", "no cache"},
		{"cache-type=mem", "keep events in memory"},
		{"cache-type=disk", "keep events in memory, then on disk"},
		{"mem-cache-size=", "size in memory, in MB"},
		{"disk-cache-size=", "size on disk, in MB"},
		{"disk-cache-dir=", "where the file is"},
	}
}

func under(prefix string, found []candidate) []candidate {
	for i := range found {
		found[i].value = prefix + found[i].value
	}
	return found
}

// completeFile completes a path. Directories end with a slash, so that they can be gone into.
func completeFile(typed string) []candidate {
	matches, err := filepath.Glob(strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(typed) + "*")
	if err != nil {
		return nil
	}
	var found []candidate
	for _, path := range matches {
		if strings.HasPrefix(typed, "./") && !strings.HasPrefix(path, "./") {
			path = "./" + path
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path += "/"
		}
		found = append(found, candidate{path, ""})
	}
	return found
}

func completeDirectory(typed string) []candidate {
	var found []candidate
	for _, c := range completeFile(typed) {
		if strings.HasSuffix(c.value, "/") {
			found = append(found, c)
		}
	}
	return found
}

func completeCapabilities(typed string) []candidate {
	for _, key := range []string{"add=", "add!="} {
		names, ok := strings.CutPrefix(typed, key)
		if !ok {
			continue
		}
		done := key + names[:strings.LastIndexByte(names, ',')+1]
		var found []candidate
		for _, name := range capabilityNames() {
			found = append(found, candidate{done + name, ""})
		}
		return found
	}
	found := []candidate{{"help", "print what is kept"}, {"add=", "keep these, too"}, {"add!=", "do not keep these"}}
	for _, s := range capabilitySwitches {
		found = append(found, candidate{s.name, s.doc})
	}
	return found
}

func completeCapture(typed string) []candidate {
	if path, ok := strings.CutPrefix(typed, "dir:"); ok {
		return under("dir:", completeDirectory(path))
	}
	if path, ok := strings.CutPrefix(typed, "write="); ok {
		return under("write=", completeFile(path))
	}
	found := []candidate{{"help", "print what can be captured"}}
	for begin, doc := range capture.Forms {
		found = append(found, candidate{begin, doc})
	}
	return found
}

func completeRuntime(typed string) []candidate {
	if name, path, ok := strings.Cut(typed, ":"); ok {
		return under(name+":", completeFile(path))
	}
	found := []candidate{{"help", "print the runtimes"}}
	for _, name := range runtimes.Names() {
		found = append(found, candidate{name + ":", ""})
	}
	return found
}

func completeInput(typed string) []candidate {
	if path, ok := strings.CutPrefix(typed, "file:"); ok {
		return append(under("file:", completeFile(path)), candidate{"file:stdin", "standard input"})
	}
	return []candidate{
		{"help", "print what can be given"},
		{"file:", "path of the input"},
		{"file:stdin", "standard input"},
		{"format:json", "a JSON object a line"},
		{"format:gob", "a gob stream"},
	}
}

// completeSignature completes ids of signatures.
func completeSignature(loaded []detect.Signature) func(string) []candidate {
	return func(string) []candidate {
		var found []candidate
		for _, s := range loaded {
			if m, err := s.GetMetadata(); err == nil {
				found = append(found, candidate{m.ID, m.Name})
			}
		}
		return found
	}
}
