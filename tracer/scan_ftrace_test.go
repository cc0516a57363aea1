package tracer

import (
	"slices"
	"strings"
	"testing"
)

// The lines are those of 5.10 to 7.2; what follows a line and begins with a blank belongs to it.
const enabled = `do_init_module (1)           D   	tramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20)
	direct-->bpf_trampoline_6442536151+0x0/0x1000
vfs_fallocate (1)           	tramp: 0xffffffffc0a35000 (rootkit_observe+0x0/0x10 [rootkit]) ->rootkit_observe+0x0/0x10 [rootkit]
__x64_sys_kill (1) R I     M 	tramp: 0xffffffffc0a37000 (0xffffffffc0bad010) ->0xffffffffc0bad010
register_kprobe (1)    I    	tramp: 0xffffffffc0a39000 (kprobe_ftrace_handler+0x0/0x1c0) ->kprobe_ftrace_handler+0x0/0x1c0
tcp_v4_rcv [tcp] (2) R         	->ftrace_ops_list_func+0x0/0x220
udp_recvmsg (2) R         	tramp: ftrace_regs_caller+0x0/0x80 (first+0x8/0x20 [one]) ->arch_ftrace_ops_list_func+0x0/0x10	tramp: 0xffffffffc0a41000 (second+0x0/0x20 [two]) ->second+0x0/0x20 [two]
security_file_open (1)           D O   	ops: bpf_link_ops+0x0/0x10 (bpf_ftrace+0x0/0x8 [bpf])
`

func TestForeignFtraceHooksAreFound(t *testing.T) {
	got, err := parseFtrace(strings.NewReader(enabled))
	if err != nil {
		t.Fatal(err)
	}
	want := []ftraceHook{
		{symbol: "vfs_fallocate", trampoline: "0xffffffffc0a35000", callback: "rootkit_observe", owner: "rootkit", count: 1},
		{symbol: "__x64_sys_kill", trampoline: "0xffffffffc0a37000", callback: "0xffffffffc0bad010", owner: "hidden", flags: "RIM", count: 1},
		{symbol: "udp_recvmsg", trampoline: "ftrace_regs_caller+0x0/0x80", callback: "first", offset: 8, owner: "one", flags: "R", count: 2},
		{symbol: "udp_recvmsg", trampoline: "0xffffffffc0a41000", callback: "second", owner: "two", flags: "R", count: 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}
