package filter

import (
	"slices"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

func TestLibrariesAreFilteredByPathOrName(t *testing.T) {
	for _, test := range []struct {
		value, file string
		want        bool
	}{
		{"libc", "/lib/x86_64-linux-gnu/libc.so.6", true},
		{"libc", "/usr/lib64/libc-2.31.so", true},
		{"libc", "/usr/lib/aarch64-linux-gnu/libc", true},
		{"libc", "/usr/lib/x86_64-linux-gnu/libcap.so.2", false},
		{"libc", "/usr/lib/x86_64-linux-gnu/deeper/libc.so.6", false},
		{"libc", "/usr/local/lib/libc.so.6", false},
		{"libc", "/tmp/libc.so.6", false},
		{"libc", "/tmp/x86_64-linux-gnu/libc.so.6", false},
		{"libc", "libc.so.6", false},
		{"/usr/lib", "/usr/lib/x86_64-linux-gnu/libm.so.6", true},
		{"/usr/lib", "/usr/lib64/libm.so.6", false},
		{"/usr/lib", "/usr/lib-other/libm.so.6", false},
		{"/usr/lib/", "/usr/lib/libm.so.6", true},
		{"/opt/a/libx", "/opt/a/libx.so.1", true},
		{"/opt/a/libx", "/opt/a/libx/y.so", true},
		{"/opt/a/libx", "/opt/a/libxy.so", false},
		{"/opt/*/libx.so", "/opt/a/b/libx.so", true},
		{"/opt/*/libx.so", "/opt/a/b/libx.so.1", false},
	} {
		p := (&argumentRule{t: events.LibraryPath}).pattern(test.value)
		if got := p.match(test.file); got != test.want {
			t.Errorf("%s for %s: got %v, want %v", test.value, test.file, got, test.want)
		}
	}
}

func TestFlagsAboutSymbolsAreAboutEachOfThem(t *testing.T) {
	f, err := Parse([]string{
		"event=symbols_loaded", "symbols_loaded.symbols=fopen,read*", "symbols_loaded.symbols!=readdir", "symbols_loaded.library_path!=libc",
	})
	if err != nil {
		t.Fatal(err)
	}
	admits := f.Elements(events.SymbolsLoaded, "symbols")
	got := slices.DeleteFunc([]string{"close", "fopen", "fopen64", "read", "readdir"}, func(s string) bool { return !admits(s) })
	if want := []string{"fopen", "read"}; !slices.Equal(got, want) {
		t.Errorf("admitted: got %v, want %v", got, want)
	}
	for _, test := range []struct {
		library string
		symbols []string
		want    bool
	}{
		{"/tmp/x.so", []string{"close", "read"}, true},
		{"/tmp/x.so", []string{"close", "readdir"}, false},
		{"/tmp/x.so", nil, false},
		{"/lib/libc.so.6", []string{"read"}, false},
	} {
		var b trace.Builder
		b.Reset(events.SymbolsLoaded.Schema())
		b.Text(0, test.library)
		b.Strings(1, test.symbols)
		e := &trace.Event{}
		b.Finish(e)
		if got := f.Match(e); got != test.want {
			t.Errorf("%s with %v: got %v, want %v", test.library, test.symbols, got, test.want)
		}
	}
	if f.Elements(events.SymbolsLoaded, "library_path") == nil || f.Elements(events.SchedProcessExec, "argv") != nil {
		t.Error("rules: one that was given is missing, or one that was not is there")
	}
	if none := (*Filter)(nil); none.Elements(events.SymbolsLoaded, "symbols") != nil {
		t.Error("no filter has a rule")
	}
}
