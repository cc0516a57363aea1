package tracer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/internal/kmem"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	modulesPath = "/proc/modules"
	maxModules  = 4096 // a list or tree that is longer is not one
	moduleLive  = 0    // its start is over, and its end not begun: enum module_state
)

// moduleViews is where the kernel keeps what it knows of its modules: a list, the kobjects of /sys/module, and a tree of
// the addresses that belong to them.
type moduleViews struct {
	memory           *kmem.Reader
	list, kset, tree uint64 // 0: this kernel does not tell

	entry, state, name, source                  uint64 // in struct module
	ksetList, kobjectEntry, kobject, kobjectMod uint64
	node, nodeMod, root                         uint64
}

// openModules finds the views. Without the list, or with no other, there is nothing to compare.
func (s *scanner) openModules() (func(occasion, emitter) error, error) {
	if _, err := os.Stat(modulesPath); err != nil {
		return nil, errors.New("this kernel has no loadable modules")
	}
	v := &moduleViews{memory: s.memory}
	v.kset, _ = s.symbols.Address("module_kset")
	v.tree, _ = s.symbols.Address("mod_tree")
	if err := v.findFields(s.types); err != nil {
		return nil, err
	}
	if err := v.findList(s.symbols.Named("modules")); err != nil {
		return nil, err
	}
	if v.list == 0 || v.kset == 0 && v.tree == 0 {
		return nil, errNoSymbols("the modules are listed")
	}
	told := map[uint64]bool{}
	return func(_ occasion, emit emitter) error {
		hidden, err := v.hidden()
		if err != nil {
			return err
		}
		for module := range told {
			if !hidden[module] {
				delete(told, module)
			}
		}
		for module := range hidden {
			if told[module] {
				continue
			}
			told[module] = true
			v.emit(module, emit)
		}
		return nil
	}, nil
}

// findList finds the list of modules, whose name others may have too: by a module that everybody sees.
func (v *moduleViews) findList(candidates []kallsyms.Symbol) error {
	names, err := shownModules()
	if err != nil {
		return err
	}
	for _, candidate := range candidates {
		listed, err := v.chain(candidate.Address, v.entry)
		known := err == nil && len(names) == 0
		for i := 0; i < len(listed) && err == nil && !known; i++ {
			name, err := v.memory.Text(listed[i]+v.name, nameLength)
			known = err == nil && names[name]
		}
		if known {
			v.list = candidate.Address
			return nil
		}
	}
	return nil
}

func (v *moduleViews) findFields(types kmem.Types) error {
	err := errors.Join(
		types.Offsets("module", map[string]*uint64{
			"list": &v.entry, "state": &v.state, "name": &v.name, "srcversion": &v.source,
		}),
		types.Offsets("kset", map[string]*uint64{"list": &v.ksetList}),
		types.Offsets("kobject", map[string]*uint64{"entry": &v.kobjectEntry}),
		types.Offsets("module_kobject", map[string]*uint64{"kobj": &v.kobject, "mod": &v.kobjectMod}),
	)
	noTree := errors.Join(
		types.Offsets("mod_tree_node", map[string]*uint64{"node": &v.node, "mod": &v.nodeMod}),
		types.Offsets("mod_tree_root", map[string]*uint64{"root.tree": &v.root}),
	)
	if noTree != nil { // one view less
		v.tree = 0
	}
	return err
}

// hidden returns the modules that are missing in one view and there in another. Modules come and go meanwhile, so it
// takes two looks with the same outcome.
func (v *moduleViews) hidden() (map[uint64]bool, error) {
	first, err := v.compare()
	if err != nil || len(first) == 0 {
		return nil, err
	}
	second, err := v.compare()
	for module := range first {
		if !second[module] {
			delete(first, module)
		}
	}
	return first, err
}

// compare looks at all views once.
func (v *moduleViews) compare() (map[uint64]bool, error) {
	listed, err := v.chain(v.list, v.entry)
	if err != nil {
		return nil, fmt.Errorf("the list of modules: %w", err)
	}
	names, err := shownModules()
	if err != nil {
		return nil, err
	}
	hidden := map[uint64]bool{}
	inList := map[uint64]bool{}
	for _, module := range listed {
		inList[module] = true
		name, err := v.memory.Text(module+v.name, nameLength)
		if err == nil && !names[name] && v.live(module) {
			hidden[module] = true
		}
	}
	others, err := v.others()
	for _, module := range others {
		if module != 0 && !inList[module] && v.live(module) {
			hidden[module] = true
		}
	}
	return hidden, err
}

// nameLength is MODULE_NAME_LEN of a 64-bit kernel.
const nameLength = 56

// shownModules are the names of modules as every user sees them.
func shownModules() (map[string]bool, error) {
	text, err := os.ReadFile(modulesPath)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		names[name] = true
	}
	return names, nil
}

// others returns the modules in the views besides the list.
func (v *moduleViews) others() ([]uint64, error) {
	var modules []uint64
	if v.kset != 0 {
		kset, err := v.memory.Word(v.kset)
		if err != nil {
			return nil, err
		}
		kobjects, err := v.chain(kset+v.ksetList, v.kobjectEntry)
		if err != nil {
			return nil, fmt.Errorf("the objects of modules: %w", err)
		}
		for i := range kobjects { // of what is built in there are some too; those have no module
			kobjects[i] += v.kobjectMod - v.kobject
		}
		if modules, err = v.memory.Words(kobjects); err != nil {
			return nil, err
		}
	}
	if v.tree == 0 {
		return modules, nil
	}
	nodes, err := v.nodes()
	if err != nil {
		return nil, err
	}
	owners, err := v.memory.Words(nodes)
	return append(modules, owners...), err
}

// chain follows a list of the kernel's, and returns the structs in which its entries lie at the offset.
func (v *moduleViews) chain(head, offset uint64) ([]uint64, error) {
	var found []uint64
	for at := head; len(found) < maxModules; {
		next, err := v.memory.Word(at)
		if err != nil {
			return nil, err
		}
		if next == head {
			return found, nil
		}
		found = append(found, next-offset)
		at = next
	}
	return nil, errors.New("the list has no end")
}

// nodes walks the tree, all of one height at a time, and returns where its nodes have their module. There are two trees,
// of which one is always whole; if the other one is being changed, that shows by a second look.
func (v *moduleViews) nodes() ([]uint64, error) {
	const right, left = 8, 16 // in struct rb_node
	var found []uint64
	level := []uint64{v.tree + v.root}
	for len(level) > 0 && len(found) < maxModules {
		children, err := v.memory.Words(level)
		if err != nil {
			return nil, err
		}
		level = level[:0]
		for _, node := range children {
			if node != 0 {
				found = append(found, node-v.node+v.nodeMod)
				level = append(level, node+right, node+left)
			}
		}
	}
	return found, nil
}

// live tells whether something is a module in use.
func (v *moduleViews) live(module uint64) bool {
	var state [4]byte
	return v.memory.Read(module+v.state, state[:]) == nil && state == [4]byte{moduleLive}
}

// emit tells of a hidden module.
func (v *moduleViews) emit(module uint64, emit emitter) {
	emit(func(b *trace.Builder) {
		b.Text(0, "0x"+strconv.FormatUint(module, 16))
		if name, err := v.memory.Text(module+v.name, nameLength); err == nil {
			b.Text(1, name)
		}
		if source, err := v.memory.Word(module + v.source); err == nil && source != 0 {
			if text, err := v.memory.Text(source, nameLength); err == nil {
				b.Text(2, text)
			}
		}
	})
}
