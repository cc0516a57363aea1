package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the formats
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// own are the files that only packages have. A user's configuration is kept when a package is upgraded.
var own = []files.Content{
	{Source: "files/tracee.service", Destination: "/usr/lib/systemd/system/tracee.service"},
	{Source: "files/tracee.yaml", Destination: "/etc/tracee/tracee.yaml", Type: files.TypeConfigNoReplace},
	{Source: "files/default", Destination: "/etc/default/tracee", Type: files.TypeConfigNoReplace},
	{Destination: "/etc/tracee/rules", Type: files.TypeDir},
}

// shellFiles are where shells look for completions.
var shellFiles = map[string]string{
	"bash": "/usr/share/bash-completion/completions/tracee",
	"fish": "/usr/share/fish/vendor_completions.d/tracee.fish",
	"zsh":  "/usr/share/zsh/vendor-completions/_tracee",
}

// pack makes a package for dpkg or rpm.
func (r *release) pack(format string) (string, error) {
	info, err := r.describe(format)
	if err != nil {
		return "", err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.out, packager.ConventionalFileName(info))
	info.Target = path
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, errors.Join(packager.Package(info, file), file.Close())
}

func (r *release) describe(format string) (*nfpm.Info, error) {
	contents, err := r.contents()
	if err != nil {
		return nil, err
	}
	here := filepath.Join(r.root, "packaging")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "tracee", Arch: r.arch, Platform: "linux", Version: r.version, VersionSchema: "semver", Release: "1",
		Section: "admin", Priority: "optional", MTime: r.time,
		Maintainer: "The Tracee authors <tracee@localhost>", Homepage: "https://github.com/tracee-go/tracee",
		License: "Apache-2.0 AND GPL-2.0-only",
		Description: "runtime security and forensics by eBPF\n" +
			"Tracee watches system calls and the kernel's own operations, and recognises attacks in them.",
		Overridables: nfpm.Overridables{
			Contents: contents,
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(here, "files", format+".postinst"),
				PreRemove:   filepath.Join(here, "files", format+".prerm"),
				PostRemove:  filepath.Join(here, "files", format+".postrm"),
			},
			RPM: nfpm.RPM{BuildHost: "localhost", Summary: "Runtime security and forensics by eBPF"},
		},
	})
	return info, nil
}

// contents are all files of a package.
func (r *release) contents() (files.Contents, error) {
	var contents files.Contents
	add := func(from, to, kind string, mode os.FileMode) {
		contents = append(contents, &files.Content{
			Source: from, Destination: to, Type: kind, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
		})
	}
	for _, command := range commands {
		add(filepath.Join(r.programs, command), "/usr/bin/"+command, files.TypeFile, executable)
	}
	for _, c := range own {
		mode := readable
		if c.Type == files.TypeDir {
			mode = executable
		} else {
			c.Source = filepath.Join(r.root, "packaging", c.Source)
		}
		add(c.Source, c.Destination, c.Type, mode)
	}
	for shell, to := range shellFiles {
		add(filepath.Join(r.root, "cli/completion", shell), to, files.TypeFile, readable)
	}
	for _, part := range []struct{ pattern, to string }{
		{"signatures/rego/*.rego", "/usr/share/tracee/rules/"}, {"templates/*.tmpl", "/usr/share/tracee/templates/"},
		{"docs/*.md", "/usr/share/doc/tracee/"}, {"docs/guide/*.md", "/usr/share/doc/tracee/guide/"}, {"LICENSE", "/usr/share/doc/tracee/"},
	} {
		found, err := r.glob(part.pattern, part.to)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			add(e.from, e.to, files.TypeFile, readable)
		}
	}
	for name, destination := range map[string]string{"bpf/LICENSE": "LICENSE.bpf"} {
		add(filepath.Join(r.root, name), "/usr/share/doc/tracee/"+destination, files.TypeFile, readable)
	}
	manuals, err := r.manuals()
	return append(contents, manuals...), err
}

// manuals are the pages of man(1), compressed as policies demand; there are none before they are generated.
func (r *release) manuals() (files.Contents, error) {
	var contents files.Contents
	for _, section := range []string{"1", "5", "8"} {
		found, err := r.glob("docs/man/*."+section, "")
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			packed := filepath.Join(r.programs, e.to+".gz")
			output, err := exec.Command("gzip", "--best", "--no-name", "--stdout", e.from).Output()
			if err != nil {
				return nil, fmt.Errorf("compress %s: %w", e.from, err)
			}
			if err := os.WriteFile(packed, output, readable); err != nil {
				return nil, err
			}
			contents = append(contents, &files.Content{
				Source: packed, Destination: "/usr/share/man/man" + section + "/" + e.to + ".gz",
				FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: readable, MTime: r.time},
			})
		}
	}
	return contents, nil
}
