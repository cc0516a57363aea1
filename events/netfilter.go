package events

import "github.com/tracee-go/tracee/types/trace"

// NetfilterChange is about the rules by which packets pass.
var NetfilterChange = declare(Event{
	ID: 834, Name: "netfilter_change", Critical: true,
	Sets: []Set{Net},
	Hooks: Ladder{sysExit("netfilter_change", "setsockopt", "sendto", "sendmsg", "write", "writev").
		byUring("netfilter_change_uring", "SEND", "SENDMSG", "WRITE", "WRITEV")},
	Args: []trace.Field{
		{Name: "subsystem", Type: Str, Doc: "ip_tables, ip6_tables, arp_tables, ebtables or nf_tables"},
		{Name: "table", Type: Str, Doc: "from the memory of the caller; absent for nf_tables"},
	},
	Doc: "Rules of the packet filter were replaced; for nf_tables, a batch of changes was given to the kernel, which may " +
		"have refused them.",
	Unseen: "Batches for nf_tables that are sent by sendmmsg, behind other messages, or by a process of 32 " +
		"bits; and the memory of the caller may have changed when it is read.",
})
