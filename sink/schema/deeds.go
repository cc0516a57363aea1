package schema

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// class is what kind of thing a deed is about.
type class uint8

const (
	general class = iota
	process
	file
	module // of the kernel
	library
	memory
	network
	dns
	web
)

// deed is the meaning of an event in both schemas.
type deed struct {
	class    class
	types    []string // event.type of ECS
	activity int      // activity_id of OCSF
	path     string   // the argument with the path of the file
	target   string   // the argument with what the file becomes, or points to
	child    string   // the argument with the pid of the process that it is about
	reversed bool     // the address in the argument is of the one who asked
}

// The activities of OCSF, by class.
const (
	processLaunch, processTerminate, processSetUser           = 1, 2, 5
	fileCreate, fileRead, fileUpdate, fileDelete, fileRename  = 1, 2, 3, 4, 5
	fileSetAttributes, fileSetSecurity, fileMount, fileUmount = 6, 7, 12, 13
	fileOpen                                                  = 14
	moduleLoad, moduleUnload                                  = 1, 2
	memoryModify, memoryMap                                   = 2, 9
	networkOpen, networkClose, networkTraffic, networkListen  = 1, 2, 6, 7
	dnsQuery, dnsResponse                                     = 1, 2
	kernelInvoke                                              = 4
	otherActivity                                             = 99
)

func files(types string, activity int, path string, more ...string) deed {
	d := deed{class: file, types: []string{types}, activity: activity, path: path}
	if len(more) > 0 {
		d.target = more[0]
	}
	return d
}

func processes(types string, activity int) deed {
	return deed{class: process, types: []string{types}, activity: activity}
}

func connections(activity int, types ...string) deed {
	return deed{class: network, types: types, activity: activity}
}

// deeds are the events that both schemas have words for.
var deeds = map[string]deed{
	"sched_process_exec":     {class: process, types: []string{"start"}, activity: processLaunch, path: "pathname"},
	"process_execute_failed": {class: process, types: []string{"start"}, activity: processLaunch, path: "pathname"},
	"execve":                 {class: process, types: []string{"start"}, activity: processLaunch, path: "pathname"},
	"execveat":               {class: process, types: []string{"start"}, activity: processLaunch, path: "pathname"},
	"sched_process_fork":     {class: process, types: []string{"start"}, activity: processLaunch, child: "child_pid"},
	"sched_process_exit":     processes("end", processTerminate),
	"exit":                   processes("end", processTerminate),
	"exit_group":             processes("end", processTerminate),
	"commit_creds":           processes("change", processSetUser),
	"setuid":                 processes("change", processSetUser),
	"setreuid":               processes("change", processSetUser),
	"setresuid":              processes("change", processSetUser),
	"setfsuid":               processes("change", processSetUser),

	"security_file_open":     files("access", fileOpen, "pathname"),
	"open":                   files("access", fileOpen, "pathname"),
	"openat":                 files("access", fileOpen, "pathname"),
	"openat2":                files("access", fileOpen, "pathname"),
	"creat":                  files("creation", fileCreate, "pathname"),
	"mkdir":                  files("creation", fileCreate, "pathname"),
	"mkdirat":                files("creation", fileCreate, "pathname"),
	"vfs_read":               files("access", fileRead, "pathname"),
	"vfs_readv":              files("access", fileRead, "pathname"),
	"vfs_write":              files("change", fileUpdate, "pathname"),
	"vfs_writev":             files("change", fileUpdate, "pathname"),
	"__kernel_write":         files("change", fileUpdate, "pathname"),
	"magic_write":            files("change", fileUpdate, "pathname"),
	"file_modification":      files("change", fileUpdate, "file_path"),
	"do_truncate":            files("change", fileUpdate, "pathname"),
	"vfs_utimes":             files("change", fileSetAttributes, "pathname"),
	"chmod_common":           files("change", fileSetSecurity, "pathname"),
	"chmod":                  files("change", fileSetSecurity, "pathname"),
	"fchmodat":               files("change", fileSetSecurity, "pathname"),
	"chown":                  files("change", fileSetSecurity, "pathname"),
	"lchown":                 files("change", fileSetSecurity, "pathname"),
	"fchownat":               files("change", fileSetSecurity, "pathname"),
	"security_inode_mknod":   files("creation", fileCreate, "file_name"),
	"security_inode_symlink": files("creation", fileCreate, "linkpath", "target"),
	"security_inode_unlink":  files("deletion", fileDelete, "pathname"),
	"unlink":                 files("deletion", fileDelete, "pathname"),
	"unlinkat":               files("deletion", fileDelete, "pathname"),
	"rmdir":                  files("deletion", fileDelete, "pathname"),
	"security_inode_rename":  files("change", fileRename, "old_path", "new_path"),
	"rename":                 files("change", fileRename, "oldpath", "newpath"),
	"renameat":               files("change", fileRename, "oldpath", "newpath"),
	"renameat2":              files("change", fileRename, "oldpath", "newpath"),
	"security_sb_mount":      files("change", fileMount, "path"),
	"mount":                  files("change", fileMount, "target"),
	"security_sb_umount":     files("change", fileUmount, "mountpoint"),

	"module_load":   {class: module, types: []string{"start"}, activity: moduleLoad, path: "pathname"},
	"module_free":   {class: module, types: []string{"end"}, activity: moduleUnload},
	"init_module":   {class: module, types: []string{"start"}, activity: moduleLoad},
	"finit_module":  {class: module, types: []string{"start"}, activity: moduleLoad},
	"delete_module": {class: module, types: []string{"end"}, activity: moduleUnload},

	"shared_object_loaded": {class: library, types: []string{"start"}, activity: moduleLoad, path: "pathname"},

	"mem_prot_alert":         {class: memory, types: []string{"change"}, activity: memoryModify},
	"security_file_mprotect": {class: memory, types: []string{"change"}, activity: memoryModify},
	"mprotect":               {class: memory, types: []string{"change"}, activity: memoryModify},
	"pkey_mprotect":          {class: memory, types: []string{"change"}, activity: memoryModify},
	"mmap":                   {class: memory, types: []string{"change"}, activity: memoryMap},
	"security_mmap_file":     {class: memory, types: []string{"change"}, activity: memoryMap, path: "pathname"},

	"connect":                 connections(networkOpen, "connection", "start"),
	"security_socket_connect": connections(networkOpen, "connection", "start"),
	"net_tcp_connect":         connections(networkOpen, "connection", "start"),
	"net_flow_tcp_begin":      connections(networkOpen, "connection", "start"),
	"net_flow_tcp_end":        connections(networkClose, "connection", "end"),
	"socket_accept":           {class: network, types: []string{"connection", "start"}, activity: networkOpen, reversed: true},
	"security_socket_accept":  {class: network, types: []string{"connection", "start"}, activity: networkOpen, reversed: true},
	"security_socket_listen":  {class: network, types: []string{"start"}, activity: networkListen, reversed: true},
	"security_socket_bind":    {class: network, types: []string{"info"}, activity: otherActivity, reversed: true},

	"dns_request":             {class: dns, types: []string{"protocol"}, activity: dnsQuery},
	"dns_response":            {class: dns, types: []string{"protocol"}, activity: dnsResponse},
	"net_packet_dns_request":  {class: dns, types: []string{"protocol"}, activity: dnsQuery},
	"net_packet_dns_response": {class: dns, types: []string{"protocol"}, activity: dnsResponse},
	"net_packet_http_request": {class: web, types: []string{"access"}},
}

// packet is the meaning of all other events of packets, by the beginning of their names.
var packet = connections(networkTraffic, "info")

// deedOf finds the meaning of an event.
func deedOf(e *trace.Event) deed {
	d, ok := deeds[e.EventName]
	switch {
	case ok:
		return d
	case strings.HasPrefix(e.EventName, "net_packet"):
		return packet
	}
	return deed{types: []string{"info"}, activity: kernelInvoke}
}

// categories are the values of event.category of ECS.
var categories = map[class]string{
	process: "process", file: "file", module: "driver", library: "library", memory: "process",
	network: "network", dns: "network", web: "network",
}

// sets say the category of an event that is in no table, by the first of its sets that is one of these.
var sets = []struct {
	set      events.Set
	category string
}{
	{events.FS, "file"}, {events.Net, "network"}, {events.NetworkEvents, "network"}, {events.Proc, "process"},
}

func categoryOf(d deed, e *trace.Event) string {
	if category := categories[d.class]; category != "" {
		return category
	}
	if known, ok := events.Lookup(e.EventName); ok {
		for _, s := range sets {
			if slices.Contains(known.Sets, s.set) {
				return s.category
			}
		}
	}
	return "host"
}

// outcome is "success" or "failure" for what can fail, and else empty.
func outcome(e *trace.Event) string {
	known, ok := events.Lookup(e.EventName)
	switch {
	case e.EventName == "process_execute_failed", e.ReturnValue < 0 && ok && known.Syscall:
		return "failure"
	case ok && known.Syscall, e.EventName == "sched_process_exec":
		return "success"
	}
	return ""
}

// traffic is what an event says of who speaks to whom.
type traffic struct {
	source, destination netip.AddrPort
	sourceName          string
	destinationName     string
	transport           string // tcp, udp, icmp, ipv6-icmp
	path                string // of a socket in the file system
	incoming, known     bool   // direction, and whether there is one
}

// transports are the numbers of protocols that have ports, and of those that do not.
var transports = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}

func trafficOf(d deed, e *trace.Event) (t traffic) {
	for a := range e.All() {
		switch name := a.Name(); {
		case a.Type().Kind == trace.Sockaddr:
			address := a.Sockaddr()
			t.path = address.Path
			if (name == "local_addr") != d.reversed {
				t.source = address.IP
			} else {
				t.destination = address.IP
			}
		case name == "src":
			t.source = parseAddress(a.Text(), t.source.Port())
		case name == "dst":
			t.destination = parseAddress(a.Text(), t.destination.Port())
		case name == "src_port":
			t.source = netip.AddrPortFrom(t.source.Addr(), uint16(a.Uint()))
		case name == "dst_port":
			t.destination = netip.AddrPortFrom(t.destination.Addr(), uint16(a.Uint()))
		case name == "src_dns", name == "dst_dns":
			t.named(name, a.Strings())
		case name == "conn_direction":
			t.incoming, t.known = a.Text() == "incoming", true
		case name == "metadata":
			t.described(a.Value())
		}
	}
	t.transport = transportOf(e.EventName, t.transport)
	if !t.known {
		t.incoming = strings.Contains(e.EventName, "accept")
		t.known = t.incoming || strings.Contains(e.EventName, "connect")
	}
	return t
}

func transportOf(event, said string) string {
	for _, name := range []string{"tcp", "udp", "icmpv6", "icmp"} {
		if said == "" && strings.Contains(event, name) {
			return strings.Replace(name, "icmpv6", "ipv6-icmp", 1)
		}
	}
	return said
}

func (t *traffic) named(argument string, names []string) {
	switch {
	case len(names) == 0:
	case argument == "src_dns":
		t.sourceName = names[0]
	default:
		t.destinationName = names[0]
	}
}

// described takes what the argument metadata of packets says.
func (t *traffic) described(metadata any) {
	switch m := metadata.(type) {
	case trace.PktMeta:
		t.source, t.destination = parseAddress(m.SrcIP, m.SrcPort), parseAddress(m.DstIP, m.DstPort)
		t.transport = transports[m.Protocol]
	case trace.PacketMetadata:
		t.incoming, t.known = m.Direction == trace.PacketIngress, m.Direction != 0
	}
}

func parseAddress(text string, port uint16) netip.AddrPort {
	address, _ := netip.ParseAddr(text) // the zero address is left out
	return netip.AddrPortFrom(address.Unmap(), port)
}

// question is the first question of a message of DNS, with its answers.
func question(e *trace.Event) (q trace.DnsQueryData, answers []trace.DnsAnswer) {
	for _, name := range []string{"dns_questions", "dns_response"} {
		a, ok := e.Lookup(name)
		if !ok {
			continue
		}
		switch value := a.Value().(type) {
		case []trace.DnsQueryData:
			if len(value) > 0 {
				q = value[0]
			}
		case []trace.DnsResponseData:
			if len(value) > 0 {
				q, answers = value[0].QueryData, value[0].DnsAnswer
			}
		}
	}
	return q, answers
}

// request is the request of HTTP of an event.
func request(e *trace.Event) (r trace.ProtoHTTPRequest) {
	if a, ok := e.Lookup("http_request"); ok {
		r, _ = a.Value().(trace.ProtoHTTPRequest)
	}
	return r
}
