package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// watcher is a matcher that knows its surroundings, and remembers nothing else.
type watcher struct {
	around *surroundings
	look   func(*surroundings, *trace.Event) (map[string]any, bool)
}

// watcherOf makes the newMatcher of a watcher.
func watcherOf(look func(*surroundings, *trace.Event) (map[string]any, bool)) func(*surroundings) matcher {
	return func(s *surroundings) matcher { return watcher{s, look} }
}

func (w watcher) match(e *trace.Event) (map[string]any, bool) {
	w.around.see(e)
	return w.look(w.around, e)
}

// scriptWatcher is a watcher that looks at what is opened by who was given it to run.
type scriptWatcher struct{ watcher }

// with adds the events of surroundings to those that a signature looks at.
func with(events ...string) []string { return append(events, lifecycle...) }

func hiddenProgram(s *surroundings, e *trace.Event) (map[string]any, bool) {
	if e.EventName != "magic_write" {
		return nil, false
	}
	path := text(e, "pathname")
	name := base(path)
	if !strings.HasPrefix(name, ".") || temporaryName(name) || !isELF(raw(e, "bytes")) || s.startedBy(e, caretakers) {
		return nil, false
	}
	return s.about(e, strings.Clone(path)), true
}

var webPrograms = named("nginx httpd apache2 lighttpd php-fpm php-cgi caddy uwsgi gunicorn")

// byWebServer reports whether a program that answers requests does it, or one that such a program started.
func byWebServer(s *surroundings, e *trace.Event) bool { return s.startedBy(e, webPrograms) }
