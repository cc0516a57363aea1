package filter

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// example is a value of --trace and what it means.
type example struct{ flags, means string }

// examples of what is not a scope field.
var examples = []example{
	{"pid=510 --trace pid=1709", "the same as pid=510,1709"},
	{"pid>0 --trace pid<1000", "events of processes 1 to 999"},
	{"uid>0 --trace uid!=1000", "events of users other than 0 and 1000"},
	{"comm=kworker*", "events of threads whose name begins with kworker"},
	{"pid=new", "events of processes that began, or executed a program, after tracing began"},
	{"tree=476165", "events of process 476165 and of what descends from it"},
	{"tree!=5023", "events of all others"},
	{"tree=3213,5200 --trace tree!=3215", "events of those two trees, without the part below 3215"},
	{"executable=/usr/sbin/*,*/bash", "events of processes that run a program of /usr/sbin, or a bash"},
	{"comm=bash --trace follow", "events of bash and of what it starts from then on"},
	{"container", "events of containers"},
	{"!container", "events of the host"},
	{"container=new", "events of containers that started after tracing did"},
	{"container=ab356bc4dd554", "events of that container"},
	{"event=execve,open", "execve and open"},
	{"event=open*", "events whose name begins with open"},
	{"event!=open*,dup*", "the default set without those that begin with open or dup"},
	{"set=fs", "the events of set fs"},
	{"set=fs --trace event!=open,openat", "the events of set fs without open and openat"},
	{"set=fs --trace set!=fs_read_write", "the events of set fs without those of set fs_read_write"},
	{"event=close --trace close.fd=5", "close of descriptor 5"},
	{"event=openat --trace openat.pathname=/tmp*", "openat of paths that begin with /tmp"},
	{"event=openat --trace openat.pathname!=/tmp/1,/bin/ls", "openat of other paths than these"},
	{"event=openat --trace openat.flags=*O_CREAT*", "openat that may create the file"},
	{"event=openat --trace openat.retval<0", "openat that failed"},
	{"event=net_packet,dns_request --trace net=eth0,lo", "packets that go through eth0 or lo; without net=, all"},
}

const helpHead = `Select what is traced. --trace can be given several times; flags about different things must all hold.
Quote values that hold < > ! or * from the shell.

Operators: numbers take = != < <= > >=, text takes = and !=, where * stands for any text.
Several values are separated by commas: with = one of them must hold, with the other operators all.

Several flags about one field: a value named with != is out; one named with = is in; ranges must all hold; otherwise
a value is in unless there are = flags. Flags about one argument or return value must all hold; an argument
that was not captured does not match.

Names may be shortened where a short form is listed. docs/guide/filters.md says where each filter is decided.

`

const helpEvents = `
Processes:
  executable, exe
                = !=  path of the file that the process runs, as the kernel knows it
  tree          = !=  process ids, as the host counts: those processes and what descends from them; of several that are
                listed, the nearest decides
  follow, f     what passed the filters of tasks stays, with all that it starts from then on, whatever these say later

Containers:
  container, c  events of containers that have started; !container, !c: all others, the set-up of containers included
  container=new, container!=new
                those that started after tracing did; those that were there before
  container=started, container!=started
                the same as container and !container, for lists
  container=id, container!=id
                the container with that id, or with an id that begins so, from its beginning on; it need not exist yet

Events:
  event, e      events by name; a name given in full is never taken away by !=
  set, s        predefined sets of events, see --list
  net           interfaces whose packets count, for the events of packets; takes = only
  event.argument, event.retval
                arguments and return value of an event. Such a filter does not select the event.
                Numbers are decimal or 0x…, or the name that parse-arguments shows.
`

// Help returns the text of --trace help.
func Help() string {
	var b strings.Builder
	b.WriteString(helpHead + "Fields:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		name := f.Name
		if f.Short != f.Name {
			name += ", " + f.Short
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", name, f.operators(), f.Doc)
	}
	w.Flush()
	b.WriteString(helpEvents + "\nExamples:\n")
	for _, f := range fields {
		fmt.Fprintf(w, "  --trace %s\t%s\n", quote(f.Example), f.Means)
	}
	for _, e := range examples {
		fmt.Fprintf(w, "  --trace %s\t%s\n", quote(e.flags), e.means)
	}
	w.Flush()
	return b.String()
}

func (f *Field) operators() string {
	if f.Kind == String16 {
		return "= !="
	}
	return "= != < <= > >="
}

// quote puts what the shell would take for itself between quotes.
func quote(flags string) string {
	words := strings.Split(flags, " --trace ")
	for i, w := range words {
		if strings.ContainsAny(w, "<>!*") {
			words[i] = "'" + w + "'"
		}
	}
	return strings.Join(words, " --trace ")
}
