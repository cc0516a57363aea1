package filter

import (
	"strings"
	"testing"
)

func TestContainerFiltersAdmitWhatTheyName(t *testing.T) {
	// What there is: the host; a container that is being set up, one that has started, one that was there before; and
	// two with other ids, of which one begins like the other.
	here := []struct {
		name string
		is   Container
	}{
		{"host", Container{}},
		{"made", Container{ID: "a0"}},
		{"new", Container{ID: "b0", Started: true}},
		{"old", Container{ID: "c0", Existed: true}},
		{"abc", Container{ID: "abc0", Started: true}},
		{"abd", Container{ID: "abd0", Existed: true}},
	}
	for _, test := range []struct{ flags, want string }{
		{"uid=1", "host made new old abc abd"},
		{"container", "new old abc abd"},
		{"c", "new old abc abd"},
		{"!container", "host made"},
		{"!c", "host made"},
		{"container !container", ""},
		{"container=new", "new abc"},
		{"co=new", "new abc"},
		{"container!=new", "old abd"},
		{"container=started", "new old abc abd"},
		{"container!=started", "host made"},
		{"container=abc", "abc"},
		{"container=AB*", "abc abd"},
		{"container=abc,abd", "abc abd"},
		{"container=abc container=a0", "made abc"},
		{"container!=abc", "host made new old abd"},
		{"container container!=abc", "new old abd"},
		{"container=ab container!=abc", "abd"},
		{"container=abc container!=ab", ""},
		{"container=new container=c", "new old abc"},
		{"container=ab container!=new", "abd"},
		{"container=ab !container", ""},
	} {
		f := parse(t, strings.Fields(test.flags)...)
		var got []string
		for _, c := range here {
			if f.AdmitsContainer(c.is) {
				got = append(got, c.name)
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s admits %q, want %q", test.flags, got, test.want)
		}
		if got, want := f.NeedsContainers(), test.flags != "uid=1"; got != want {
			t.Errorf("%s needs containers: %t", test.flags, got)
		}
	}
}

func TestTablesShowContainersWhenTheyAreFilteredFor(t *testing.T) {
	for flags, want := range map[string]bool{
		"": false, "!container": false, "container!=started": false,
		"container": true, "container=new": true, "container!=new": true, "container=a": true, "container!=a": true,
	} {
		if got := parse(t, strings.Fields(flags)...).ShowsContainers(); got != want {
			t.Errorf("%q: got %t, want %t", flags, got, want)
		}
	}
}
