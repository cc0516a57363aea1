package capture

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsAreReadInAllTheirForms(t *testing.T) {
	preset := func(change func(*Options)) Options {
		o := Options{Dir: DefaultDir, Quota: DefaultQuota, Split: PerHost}
		change(&o)
		return o
	}
	for _, test := range []struct {
		values string
		want   Options
	}{
		{"", preset(func(*Options) {})},
		{"exec", preset(func(o *Options) { o.Exec = true })},
		{"artifact:exec artifact:module artifact:mem", preset(func(o *Options) { o.Exec, o.Module, o.Memory = true, true, true })},
		{"bpf", preset(func(o *Options) { o.BPF = true })},
		{"write", preset(func(o *Options) { o.Write = &Files{} })},
		{"artifact:write", preset(func(o *Options) { o.Write = &Files{} })},
		{"write=/usr/bin/* artifact:write=/etc/*", preset(func(o *Options) { o.Write = &Files{Prefixes: []string{"/usr/bin/", "/etc/"}} })},
		{"write:type=pipe,socket write:fd=stdout", preset(func(o *Options) { o.Write = &Files{Types: Pipe | Socket, Descriptors: 2} })},
		{"read=/etc/* read:type=elf artifact:read:fd=stdin", preset(func(o *Options) {
			o.Read = &Files{Prefixes: []string{"/etc/"}, Types: ELF, Descriptors: 1}
		})},
		{"profile", preset(func(o *Options) { o.Exec, o.Profile = true, true })},
		{"net=eth0,lo net=eth1", preset(func(o *Options) { o.Net = []string{"eth1"} })},
		{"net=lo pcap:per-process pcap:per-command", preset(func(o *Options) { o.Net, o.Split = []string{"lo"}, PerProcess|PerCommand })},
		{"net=lo pcap-options:filtered", preset(func(o *Options) { o.Net, o.Filtered = []string{"lo"}, true })},
		{"net=lo pcap-options:filtered pcap-options:none", preset(func(o *Options) { o.Net = []string{"lo"} })},
		{"net=any pcap:per-container pcap-snaplen:1kb", preset(func(o *Options) {
			o.Net, o.Split, o.Snaplen = []string{"any"}, PerContainer, 1024
		})},
		{"exec dir:/my/dir clear-dir", preset(func(o *Options) { o.Exec, o.Dir, o.ClearDir = true, "/my/dir", true })},
		{"exec quota:artifact=16M quota:container=1gb quota:total=2G quota:age=24h quota:full=refuse", preset(func(o *Options) {
			o.Exec = true
			o.Quota.Artifact, o.Quota.Container, o.Quota.Total, o.Quota.Age, o.Quota.Refuse = 16<<20, 1<<30, 2<<30, 24*time.Hour, true
		})},
		{"quota:packets=1M quota:packets-each=32 quota:packets-age=90s", preset(func(o *Options) {
			o.Quota.Packets, o.Quota.PacketsEach, o.Quota.PacketsAge = 1<<20, 32, 90*time.Second
		})},
	} {
		got, err := Parse(strings.Fields(test.values))
		if err != nil {
			t.Errorf("%s: %v", test.values, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.values, diff)
		}
	}
}

func TestWrongOptionsAreRefusedWithTheTextOfOldAndAHint(t *testing.T) {
	const invalid = "invalid capture option specified, use '--capture help' for more info"
	for _, test := range []struct{ values, want, hint string }{
		{"exek", invalid, "did you mean exec?"},
		{"write=/tmp", invalid, "write=/tmp*"},
		{"artifact:net=lo", invalid, "net=lo"},
		{"artifact:clear-dir", invalid, ""},
		{"write=*", "capture write filter cannot be empty", "write alone"},
		{"read=*", "capture read filter cannot be empty", "read alone"},
		{"write=/" + strings.Repeat("a", 50) + "*", "the length of a path filter is limited to 50 characters: /aaa", ""},
		{"write=/a* write=/b* write=/c* write=/d*", "too many file-write filters given", ""},
		{"dir:", "capture output dir cannot be empty", "dir:/path"},
		{"net=lo pcap:per-container pcap:per-process", "invalid capture flags: can't use both", ""},
		{"pcap:per-planet", invalid, "per-process"},
		{"write:type=door", invalid, "regular"},
		{"read:fd=3", invalid, "stdin"},
		{"net=", invalid, "net=eth0"},
		{"quota:total=lots", invalid, "16M"},
		{"quota:age=old", invalid, "24h"},
		{"quota:full=panic", invalid, "evict"},
		{"quota:packets-each=0", invalid, "a number of packets"},
		{"quota:packets-age=-1s", invalid, "90m"},
		{"pcap-snaplen:3", invalid, "headers"},
		{"pcap-options:some", invalid, "filtered"},
		{"", invalid, ""},
	} {
		values := strings.Fields(test.values)
		if test.values == "" {
			values = []string{""}
		}
		_, err := Parse(values)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%q: got %v, want %s … %s", test.values, err, test.want, test.hint)
		}
	}
}

func TestHelpNamesEveryForm(t *testing.T) {
	for _, word := range words() {
		if !strings.Contains(Help(), word) {
			t.Errorf("help lacks %s", word)
		}
	}
}
