package capture

import "testing"

func TestMemoryOfNoFileIsSuspectIfItIsExecutable(t *testing.T) {
	for line, want := range map[string]bool{
		"7f0000000000-7f0000001000 rwxp 00000000 00:00 0 ":                                true,
		"7f0000000000-7f0000001000 r-xp 00000000 00:00 0":                                 true,
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0":                                 false,
		"55d0c0000000-55d0c0021000 rwxp 00000000 00:00 0                          [heap]": true,
		"7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]": false,
		"7f0000000000-7f0000001000 r-xp 00000000 00:01 12 /memfd:x (deleted)":             true,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 12 /usr/lib/x.so":                  false,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 12 /tmp/a b (deleted)":             true,
		"no line": false,
	} {
		m, ok := parseMapping(line)
		if got := ok && m.suspect(); got != want {
			t.Errorf("%q: got %t, want %t", line, got, want)
		}
	}
}
