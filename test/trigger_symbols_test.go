package test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/library/librarytest"
)

func init() {
	triggers = append(
		triggers,
		trigger{"symbols_loaded", "mapped files", mapObjects},
		trigger{"symbols_loaded", "LD_PRELOAD", func(a *actor) { preload(a, "symbols_loaded") }},
		trigger{"symbols_collision", "mapped files", mapColliding},
		trigger{"symbols_collision", "LD_PRELOAD", func(a *actor) { preload(a, "symbols_collision") }},
	)
}

// library makes a shared object and returns its path.
func (a *actor) library(name string, shape librarytest.Shape, symbols ...librarytest.Symbol) string {
	path := a.path(name)
	a.check(os.WriteFile(path, librarytest.Object(shape, symbols), 0o755))
	return path
}

// load maps a file as the dynamic linker does.
func (a *actor) load(path string) {
	fd := a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_RDONLY, 0)
	a.must(unix.SYS_MMAP, 0, 4096, readExec, unix.MAP_PRIVATE, uintptr(fd), 0)
	a.must(unix.SYS_CLOSE, uintptr(fd))
}

func mapObjects(a *actor) {
	for _, o := range []struct {
		name  string
		shape librarytest.Shape
	}{
		{"wide.so", librarytest.Shape{GNU: true}}, {"narrow.so", librarytest.Shape{Narrow: true}},
	} {
		path := a.library(
			o.name, o.shape,
			librarytest.Symbol{Name: "imported", Bind: librarytest.Global, Undefined: true},
			librarytest.Symbol{Name: "local", Bind: librarytest.Local},
			librarytest.Symbol{Name: "write", Bind: librarytest.Weak},
			librarytest.Symbol{Name: "read", Bind: librarytest.Global},
		)
		a.load(path)
		a.want("symbols_loaded", arguments{"library_path": path, "symbols": []string{"read", "write"}})
	}
	a.load(a.library("nothing.so", librarytest.Shape{}))
	script := a.path("script")
	a.check(os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	a.load(script)
}

func mapColliding(a *actor) {
	wanted := func(loaded, earlier string, symbols ...string) {
		a.want("symbols_collision", arguments{"loaded_path": loaded, "collision_path": earlier, "symbols": symbols})
	}
	template := librarytest.Symbol{Name: "_ZN1a1bE", Bind: librarytest.Weak}
	weak := librarytest.Symbol{Name: "write", Bind: librarytest.Weak}
	first := a.library("first.so", librarytest.Shape{}, append(librarytest.Globals("read", "other", "_init"), weak, template)...)
	second := a.library("second.so", librarytest.Shape{GNU: true}, append(librarytest.Globals("read", "_init"), weak, template)...)
	apart := a.library("apart.so", librarytest.Shape{}, librarytest.Globals("something")...)
	third := a.library("third.so", librarytest.Shape{Narrow: true}, librarytest.Globals("other", "read")...)
	a.load(first)
	a.load(first)
	a.load(second)
	wanted(second, first, "read", "write")
	a.load(apart)
	a.load(third)
	wanted(third, first, "other", "read")
	wanted(third, second, "read")
}

// preload runs a program with a library of ours before its own.
func preload(a *actor, event string) {
	file := program(a)
	linked, err := elf.Open(file)
	a.check(err)
	needed, err := linked.ImportedLibraries()
	if err != nil || !slices.Equal(needed, []string{"libc.so.6"}) {
		a.skip(file + " is not linked with libc.so.6 alone")
	}
	libc := findLibrary(a, "libc.so.6")
	path := a.library("preload.so", librarytest.Shape{GNU: true}, append(
		librarytest.Globals("fopen", "none_of_libc"), librarytest.Symbol{Name: "unlinkat", Bind: librarytest.Weak},
	)...)
	if event == "symbols_collision" {
		a.want(event, arguments{"loaded_path": libc, "collision_path": path, "symbols": []string{"fopen", "unlinkat"}})
	} else {
		a.want(event, arguments{"library_path": path, "symbols": []string{"fopen", "none_of_libc", "unlinkat"}})
		symbols, cut := exported(a, libc)
		w := a.want(event, arguments{"library_path": libc, "symbols": symbols})
		if cut {
			w.Truncated = []string{"symbols"}
		}
	}
	for i := range a.Wants {
		a.Wants[i].Comm = shortName(filepath.Base(file))
	}
	a.exec(file, []string{"true"}, []string{"LD_PRELOAD=" + path})
}

// findLibrary is where the dynamic linker finds a library of this system.
func findLibrary(a *actor, name string) string {
	for _, directory := range []string{"/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"} {
		if path, err := filepath.EvalSymlinks(directory + "/" + name); err == nil {
			return path
		}
	}
	a.skip("no " + name + " in the usual directories")
	return ""
}

// exported are the names that a library defines, by its sections, as many as an event holds.
func exported(a *actor, path string) (names []string, cut bool) {
	file, err := elf.Open(path)
	a.check(err)
	symbols, err := file.DynamicSymbols()
	a.check(err)
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_LOCAL {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	size := 0
	for i, name := range names {
		if size += len(name) + 1; size > 32<<10 {
			return names[:i], true
		}
	}
	return names, false
}
