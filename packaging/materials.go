package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"
)

// factsOf reads what Go wrote into a program about its build.
func factsOf(program string) (*debug.BuildInfo, error) {
	facts, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("what %s is built from: %w", program, err)
	}
	return facts, nil
}

// bill is a list of materials as CycloneDX 1.6 has it.
type bill struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    billAbout   `json:"metadata"`
	Components  []component `json:"components"`
}

type billAbout struct {
	Timestamp  string     `json:"timestamp"`
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Locator string `json:"purl"`
	Ref     string `json:"bom-ref"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func componentOf(kind, path, version string) component {
	locator := "pkg:golang/" + path + "@" + version
	return component{Type: kind, Name: path, Version: version, Locator: locator, Ref: locator}
}

// materials writes which modules the programs are built from; they share one module, so one list is for all three.
func (r *release) materials(facts *debug.BuildInfo) (string, error) {
	b := bill{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: billAbout{
			Timestamp: r.time.Format(time.RFC3339), Component: componentOf("application", facts.Main.Path, "v"+r.version),
		},
		Components: []component{componentOf("platform", "std", facts.GoVersion)},
	}
	for _, setting := range facts.Settings {
		b.Metadata.Properties = append(b.Metadata.Properties, property{"build:" + setting.Key, setting.Value})
	}
	seen := map[string]bool{}
	for _, command := range commands {
		of, err := factsOf(filepath.Join(r.programs, command))
		if err != nil {
			return "", err
		}
		for _, module := range of.Deps {
			if module.Replace != nil {
				module = module.Replace
			}
			if seen[module.Path] {
				continue
			}
			seen[module.Path] = true
			b.Components = append(b.Components, componentOf("library", module.Path, module.Version))
		}
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.out, fmt.Sprintf("tracee-%s-linux-%s.cdx.json", r.version, r.arch))
	return path, os.WriteFile(path, append(text, '\n'), readable)
}
