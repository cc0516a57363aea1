package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-12",
	aliases:    []string{"TRC-1016"},
	name:       "Illegitimate Shell",
	doc:        "A program on your server spawned a shell program. A web server that starts a shell usually does it for an attacker",
	severity:   medium,
	technique:  technique{"Initial Access", "Exploit Public-Facing Application", "T1190", ""},
	tags:       linuxAndContainer,
	response:   "Look at the requests of that moment in the server's log, and at what the shell started. Isolate the server.",
	benign:     "CGI scripts, and web applications that call programs by system().",
	events:     []string{"security_bprm_check"},
	newMatcher: stateless(serverStartsShell),
})

// webServers are known by what a thread has of their names: at that moment the process still runs the server.
var webServers = named("nginx httpd httpd-foregroun lighttpd apache apache2")

var shellNames = named("ash bash csh ksh sh tcsh zsh dash")

func serverStartsShell(e *trace.Event) bool {
	path := text(e, "pathname")
	return strings.HasPrefix(path, "/") && shellNames[base(path)] && webServers[e.ProcessName]
}
