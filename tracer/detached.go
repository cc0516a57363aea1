package tracer

// noteDetached warns of each program that somebody else has detached: the kernel lets others do that to those of cgroups, which
// see packets. They are not attached again: that takes a capability that is given up.
func (t *Tracer) noteDetached() {
	for i := range t.links {
		if l := &t.links[i]; !l.detached && l.isDetached() {
			l.detached = true
			t.log.Warn("somebody detached a program of tracee: what it saw is missing until tracee is started again",
				"program", l.program, "event", t.eventOf(l.program))
		}
	}
}

// isDetached reports whether a link has nothing any more that it links to.
func (l programLink) isDetached() bool {
	info, err := l.Info()
	if err != nil {
		return false
	}
	group := info.Cgroup()
	return group != nil && group.CgroupId == 0
}
