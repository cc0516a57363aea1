package schema

import (
	"strconv"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// object appends JSON, field by field. A field that says nothing is left out.
type object struct{ b []byte }

func (o *object) comma() {
	if last := o.b[len(o.b)-1]; last != '{' && last != '[' {
		o.b = append(o.b, ',')
	}
}

// key appends the name of a field; names need no escapes.
func (o *object) key(name string) {
	o.comma()
	o.b = append(o.b, '"')
	o.b = append(append(o.b, name...), '"', ':')
}

// open begins an object in a field; an empty name begins one in a list, or the outermost one.
func (o *object) open(name string) {
	if name != "" {
		o.key(name)
	} else if len(o.b) > 0 && o.b[len(o.b)-1] == '}' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '{')
}

// close ends an object; an empty one vanishes with its name.
func (o *object) close() {
	last := len(o.b) - 1
	if o.b[last] != '{' {
		o.b = append(o.b, '}')
		return
	}
	b := o.b[:last]
	if n := len(b); n > 0 && b[n-1] == ':' {
		start := n - 2 // the quote that ends the name
		for start--; b[start] != '"'; start-- {
		}
		if b = b[:start]; len(b) > 0 && b[len(b)-1] == ',' {
			b = b[:len(b)-1]
		}
	}
	o.b = b
}

func (o *object) text(name, value string) {
	if value != "" {
		o.key(name)
		o.b = trace.AppendJSONString(o.b, value)
	}
}

func (o *object) int(name string, value int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

func (o *object) uint(name string, value uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, value, 10)
}

// number writes a number as a text.
func (o *object) number(name string, value uint64) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = append(strconv.AppendUint(o.b, value, 10), '"')
}

// known writes a number that is not 0.
func (o *object) known(name string, value uint64) {
	if value != 0 {
		o.uint(name, value)
	}
}

// raw writes JSON.
func (o *object) raw(name, value string) {
	if value != "" {
		o.key(name)
		o.b = append(o.b, value...)
	}
}

func (o *object) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for _, value := range values {
		o.comma()
		o.b = trace.AppendJSONString(o.b, value)
	}
	o.b = append(o.b, ']')
}

func (o *object) time(name string, t time.Time) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = append(t.UTC().AppendFormat(o.b, time.RFC3339Nano), '"')
}

// argument writes a text argument of an event under another name.
func (o *object) argument(name string, e *trace.Event, argument string) {
	if a, ok := e.Lookup(argument); ok {
		o.text(name, a.Text())
	}
}

// commandLine joins arguments as a shell would show them.
func commandLine(arguments []string) string {
	var b strings.Builder
	for i, a := range arguments {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		b.WriteString(a)
	}
	return b.String()
}
