package tracer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// containers is what the tracer knows of containers before it begins.
type containers struct {
	tree cgroup.Hierarchy
	err  error // why it can not know them
}

// needsContainers says whether somebody asks for what is known of containers.
func needsContainers(config Config) bool {
	return config.Containers || config.Filter.NeedsContainers() ||
		slices.ContainsFunc(events.ContainerGroups, func(e *events.Event) bool { return slices.Contains(config.Events, e) })
}

// withContainers adds to the selection what is needed to know containers.
func withContainers(config Config) []*events.Event {
	selected := events.WithSources(config.Events)
	if !needsContainers(config) {
		return selected
	}
	for _, e := range events.ContainerGroups {
		if !slices.Contains(selected, e) {
			selected = append(selected, e)
		}
	}
	return selected
}

// findContainers tells the kernel side where to look for containers.
func (l *loader) findContainers(config Config) error {
	if !needsContainers(config) {
		return nil
	}
	var controller uint32
	l.containers.tree, l.containers.err = cgroup.Find()
	if l.containers.err == nil && l.containers.tree.Controller != "" {
		controller, l.containers.err = controllerNumber(l.options.Programs.KernelTypes, l.containers.tree.Controller)
	}
	if l.containers.err != nil {
		return nil // told when it is known who needs them
	}
	constants := map[string]uint32{"container_hierarchy": uint32(l.containers.tree.ID)}
	if l.containers.tree.Controller != "" {
		constants["container_controller"] = controller
	}
	for name, value := range constants {
		if err := l.spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

// controllerNumber is the kernel's number of a controller, by which it finds a task's group in that hierarchy.
func controllerNumber(types *btf.Spec, name string) (uint32, error) {
	if name == "blkio" {
		name = "io"
	}
	var numbers *btf.Enum
	if err := types.TypeByName("cgroup_subsys_id", &numbers); err != nil {
		return 0, fmt.Errorf("number of controller %s: %w", name, err)
	}
	for _, v := range numbers.Values {
		if v.Name == name+"_cgrp_id" {
			return uint32(v.Value), nil
		}
	}
	return 0, fmt.Errorf("this kernel has no number for controller %s", name)
}

// trackContainers begins to keep the books on containers, before anything else is attached: so that the first event of
// anything else is about a task whose container is known.
func (t *Tracer) trackContainers(l *loader) error {
	if !slices.Contains(t.config.Events, events.ContainerGroupMade) {
		return nil
	}
	err := l.containers.err
	if err == nil {
		err = t.bookContainers(l)
	}
	if err == nil {
		return nil
	}
	if t.config.Filter.NeedsContainers() {
		return fmt.Errorf("containers can not be told apart: %w", err)
	}
	t.log.Warn("containers can not be told apart: all events count as the host's", "reason", err)
	return nil
}

func (t *Tracer) bookContainers(l *loader) error {
	for _, d := range cgroup.Dresses {
		var key [cgroup.DressSize]byte
		copy(key[:], d.Prefix)
		if err := t.maps["container_dresses"].Put(key, uint8(1)); err != nil {
			return fmt.Errorf("write down the prefix %q: %w", d.Prefix, err)
		}
	}
	for _, e := range events.ContainerGroups {
		for _, hook := range e.Hooks {
			if err := t.attachHook(l, hook); err != nil {
				return err
			}
		}
	}
	return errors.Join(l.containers.tree.Containers(func(g cgroup.Group) { t.bookExisting(g) }))
}

// bookExisting writes down a group that is there already, unless the kernel side has just done so.
func (t *Tracer) bookExisting(g cgroup.Group) {
	group := bpf.TraceeContainerGroup{
		Outermost: g.Outermost,
		State:     events.ContainerExisted,
		Verdict:   t.config.Filter.ListedContainer(cgroup.Of(g.Path).ID),
	}
	if err := t.variables["containers_known"].Set(uint32(1)); err != nil {
		t.log.Warn("container not known", "group", g.Path, "error", err)
		return
	}
	err := t.maps["container_groups"].Update(g.ID, group, ebpf.UpdateNoExist)
	switch {
	case err == nil:
		t.existing = append(t.existing, g)
	case !errors.Is(err, ebpf.ErrKeyExist):
		t.log.Warn("container not known", "group", g.Path, "error", err)
	}
}

// existingEvents describes the groups that were there when tracing began.
func (t *Tracer) existingEvents(yield func(*trace.Event) bool) bool {
	for _, g := range t.existing {
		var b trace.Builder
		b.Reset(events.ContainerGroupFound.Schema())
		b.Slot(0, g.ID)
		b.Text(1, g.Path)
		b.Slot(2, uint64(g.Created))
		e := t.narrated()
		b.Finish(&e)
		if !yield(&e) {
			return false
		}
	}
	return true
}
