package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// kinds are what the objects of manifests are decoded into.
var kinds = map[string]func() any{
	"ConfigMap":      func() any { return new(corev1.ConfigMap) },
	"DaemonSet":      func() any { return new(appsv1.DaemonSet) },
	"Namespace":      func() any { return new(corev1.Namespace) },
	"ServiceAccount": func() any { return new(corev1.ServiceAccount) },
}

// decode decodes a manifest as an API server does that takes nothing it does not know, and returns its objects by kind.
func decode(t *testing.T, manifest string) map[string]any {
	t.Helper()
	objects := map[string]any{}
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		var about struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &about); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if about.Kind == "" {
			continue
		}
		object := kinds[about.Kind]
		if object == nil {
			t.Fatalf("unknown kind %q", about.Kind)
		}
		objects[about.Kind] = object()
		if err := yaml.UnmarshalStrict([]byte(document), objects[about.Kind]); err != nil {
			t.Errorf("%s: %v\n%s", about.Kind, err, document)
		}
	}
	return objects
}

// render renders the chart as helm does: Go's templates with the functions of sprig, and of helm's own include and toYaml.
func render(t *testing.T, values map[string]any) string {
	t.Helper()
	const chart = "../deploy/helm/tracee"
	all := template.New("chart").Option("missingkey=zero").Funcs(sprig.TxtFuncMap())
	all.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var b strings.Builder
			err := all.ExecuteTemplate(&b, name, data)
			return b.String(), err
		},
		"toYaml": func(value any) (string, error) {
			text, err := yaml.Marshal(value)
			return strings.TrimSuffix(string(text), "\n"), err
		},
	})
	files, err := filepath.Glob(chart + "/templates/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	if _, err := all.ParseFiles(files...); err != nil {
		t.Fatal(err)
	}
	defaults, about := map[string]any{}, map[string]any{}
	readYAML(t, chart+"/values.yaml", &defaults)
	readYAML(t, chart+"/Chart.yaml", &about)
	for name := range values {
		if _, known := defaults[name]; !known {
			t.Errorf("the chart has no value %q", name)
		}
	}
	maps.Copy(defaults, values)
	data := map[string]any{
		"Values": defaults, "Release": map[string]any{"Name": "my", "Namespace": "security"},
		"Chart": map[string]any{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
	}
	var rendered strings.Builder
	for _, file := range files {
		if filepath.Ext(file) != ".yaml" {
			continue
		}
		rendered.WriteString("\n---\n")
		if err := all.ExecuteTemplate(&rendered, filepath.Base(file), data); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(rendered.String(), "<no value>") {
		t.Errorf("a value is missing:\n%s", &rendered)
	}
	return rendered.String()
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// checkDaemonSet demands what tracee needs of a node, whatever else is set.
func checkDaemonSet(t *testing.T, set *appsv1.DaemonSet) corev1.Container {
	t.Helper()
	pod := set.Spec.Template.Spec
	if !pod.HostPID || len(pod.Containers) != 1 {
		t.Fatalf("hostPID %v, %d containers", pod.HostPID, len(pod.Containers))
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; s == nil || s.Privileged == nil || !*s.Privileged || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		t.Errorf("security context: got %+v", c.SecurityContext)
	}
	for name, value := range set.Spec.Selector.MatchLabels {
		if set.Spec.Template.Labels[name] != value {
			t.Errorf("the selector wants %s=%s, pods have %q", name, value, set.Spec.Template.Labels[name])
		}
	}
	var volumes []string
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("no volume %s", m.Name)
		}
	}
	return c
}

func TestManifestIsValid(t *testing.T) {
	text, err := os.ReadFile("../deploy/kubernetes/tracee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects := decode(t, string(text))
	set, ok := objects["DaemonSet"].(*appsv1.DaemonSet)
	if !ok || objects["Namespace"] == nil {
		t.Fatalf("got %v", objects)
	}
	if set.Namespace != objects["Namespace"].(*corev1.Namespace).Name {
		t.Errorf("namespace: got %q", set.Namespace)
	}
	checkDaemonSet(t, set)
}

func TestChartRendersToValidObjects(t *testing.T) {
	objects := decode(t, render(t, nil))
	if len(objects) != 2 || objects["ServiceAccount"] == nil {
		t.Fatalf("got %v", objects)
	}
	c := checkDaemonSet(t, objects["DaemonSet"].(*appsv1.DaemonSet))
	if want := []string{"--containers", "--metrics", "--healthz", "--listen-addr", ":3366"}; !slices.Equal(c.Args, want) {
		t.Errorf("arguments: got %q, want %q", c.Args, want)
	}
	if c.Image != "tracee:latest" {
		t.Errorf("image: got %q", c.Image)
	}
}

func TestValuesOfTheChartTakeEffect(t *testing.T) {
	rule := "name: \"a: b\"\nkind: {}\n"
	objects := decode(t, render(t, map[string]any{
		"image":            map[string]any{"repository": "registry.example/tracee", "tag": "1.2", "pullPolicy": "Always"},
		"imagePullSecrets": []any{map[string]any{"name": "secret"}},
		"args":             []any{"--trace", "comm=a,\"b\""},
		"metrics":          map[string]any{"enabled": false},
		"rules":            map[string]any{"mine.yaml": rule},
		"serviceAccount":   map[string]any{"create": false, "name": "other"},
		"podAnnotations":   map[string]any{"a/b": "1"},
		"podLabels":        map[string]any{"team": "x"},
		"nodeSelector":     map[string]any{"kubernetes.io/os": "linux"},
		"tolerations":      []any{map[string]any{"key": "k", "operator": "Exists"}},
		"affinity":         map[string]any{"nodeAffinity": map[string]any{}},
		"resources":        map[string]any{"limits": map[string]any{"memory": "1Gi"}},
	}))
	set := objects["DaemonSet"].(*appsv1.DaemonSet)
	pod := set.Spec.Template
	c := checkDaemonSet(t, set)
	if want := []string{"--trace", "comm=a,\"b\"", "--rules-dir", "/etc/tracee/rules"}; !slices.Equal(c.Args, want) {
		t.Errorf("arguments: got %q, want %q", c.Args, want)
	}
	if got := objects["ConfigMap"].(*corev1.ConfigMap).Data["mine.yaml"]; got != rule {
		t.Errorf("rule: got %q, want %q", got, rule)
	}
	var got bytes.Buffer
	for _, text := range []string{
		c.Image, string(c.ImagePullPolicy), pod.Spec.ImagePullSecrets[0].Name, pod.Spec.ServiceAccountName, pod.Annotations["a/b"], pod.Labels["team"],
		pod.Spec.NodeSelector["kubernetes.io/os"], pod.Spec.Tolerations[0].Key, c.Resources.Limits.Memory().String(),
	} {
		got.WriteString(text + " ")
	}
	if want := "registry.example/tracee:1.2 Always secret other 1 x linux k 1Gi "; got.String() != want {
		t.Errorf("got %q, want %q", &got, want)
	}
	if objects["ServiceAccount"] != nil || c.LivenessProbe != nil {
		t.Error("an account or a probe that was not wanted")
	}
}
