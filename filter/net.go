package filter

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/internal/suggest"
)

// interfaceName is the longest name of an interface, with its NUL.
const interfaceName = 16

// parseInterfaces reads net=, which names the interfaces whose packets are wanted; without, those of all are. Each must be
// there, but is known by its name alone: those of other network namespaces that have it count too. A name with * is all that
// are there.
func (f *Filter) parseInterfaces(x expression) error {
	if x.operator != equal {
		return errors.New("invalid operator and/or values given to filter: " + x.rest + " (net takes = only)")
	}
	if err := x.check(equal); err != nil {
		return err
	}
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("invalid network interface: %s: %w", strings.Join(x.values, ","), err)
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	for _, value := range x.values {
		wanted := newPattern(value)
		found := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !wanted.match(name) })
		if len(found) == 0 {
			return fmt.Errorf("invalid network interface: %s%s", value, suggest.DidYouMean(value, names))
		}
		for _, name := range found {
			if !slices.Contains(f.interfaces, name) {
				f.interfaces = append(f.interfaces, name)
			}
		}
	}
	return nil
}

// configureInterfaces prepares the kernel side for the names; without any, it is left as it is.
func (f *Filter) configureInterfaces(spec *ebpf.CollectionSpec) error {
	if len(f.interfaces) == 0 {
		return nil
	}
	variable, names := spec.Variables["filter_interfaces"], spec.Maps["interfaces"]
	if variable == nil || names == nil {
		return errors.New("configure filters: the object knows no interfaces")
	}
	names.MaxEntries = uint32(len(f.interfaces))
	if err := variable.Set(true); err != nil {
		return fmt.Errorf("configure filters: %w", err)
	}
	return nil
}

func (f *Filter) installInterfaces(loaded map[string]*ebpf.Map) error {
	for _, name := range f.interfaces {
		var key [interfaceName]byte
		copy(key[:interfaceName-1], name)
		if err := put(loaded, "interfaces", key, uint8(1)); err != nil {
			return err
		}
	}
	return nil
}
