package cgroup

import "testing"

func TestContainersOfAnyNameAreReadOffTheirPaths(t *testing.T) {
	for _, test := range []struct {
		path string
		want Container
	}{
		{"/default/web", Container{ID: "web", Runtime: Containerd, Namespace: "default"}},
		{"/staging/web", Container{ID: "web", Runtime: Unknown, Namespace: "staging"}},
		{"/web", Container{ID: "web", Runtime: Unknown}},
		{"/system.slice/runc-web.scope", Container{ID: "web", Runtime: Runc}},
		{"/machine.slice/crun-web.scope", Container{ID: "web", Runtime: Crun}},
		{"/machine.slice/my-web.scope", Container{ID: "my-web", Runtime: Unknown}},
		{"/lxc.payload.web", Container{ID: "web", Runtime: LXC}},
		{"/lxc/web", Container{ID: "web", Runtime: LXC}},
		{"/runc-web", Container{ID: "runc-web", Runtime: Unknown}},
		{"/crun-web", Container{ID: "crun-web", Runtime: Unknown}},
		{"/runc-", Container{ID: "runc-", Runtime: Unknown}},
	} {
		test.want.Path, test.want.Named = test.path, true
		if got := Of(test.path); got != test.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.path, got, test.want)
		}
	}
	if got := Of("/docker/" + id); got.ID != id || got.Named {
		t.Errorf("got %+v", got)
	}
}
