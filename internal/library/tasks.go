package library

import "slices"

// Tasks are the latest tasks of each mount namespace, through which files can be reached when others are gone.
type Tasks map[int][]int

const (
	maxNamespaces = 1024
	tasksEach     = 4 // of a mount namespace
)

// Remember notes a task.
func (t Tasks) Remember(namespace, task int) {
	known, seen := t[namespace]
	if !seen && len(t) >= maxNamespaces {
		clear(t)
	}
	if slices.Contains(known, task) {
		return
	}
	t[namespace] = append(slices.Clone(known[max(0, len(known)-tasksEach+1):]), task)
}
