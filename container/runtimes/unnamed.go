package runtimes

import "sync/atomic"

// Unnamed counts the containers of one runtime that stayed without a name by what it said, or did not say.
type Unnamed struct {
	Runtime, Path string // Path is empty if nobody can be asked
	Failed        uint64 // it did not answer, or nonsense, or too late, or there were too many to ask about
	Unknown       uint64 // it says that it has no such container
}

// unnamed is what the goroutine of a runtime counts while others read.
type unnamed struct{ failed, unknown atomic.Uint64 }

// Unnamed returns what was counted so far, of those runtimes of which there is something to tell. It is for the goroutine
// that asks.
func (c *Client) Unnamed() []Unnamed {
	all := c.missing[:len(c.missing):len(c.missing)]
	for _, a := range c.asked {
		u := Unnamed{Runtime: a.Runtime, Path: a.Path, Failed: a.unnamed.failed.Load(), Unknown: a.unnamed.unknown.Load()}
		if u.Failed+u.Unknown > 0 {
			all = append(all, u)
		}
	}
	return all
}

// miss counts a container of a runtime that has no socket, and says whether it is the first.
func (c *Client) miss(runtime string) bool {
	for i := range c.missing {
		if c.missing[i].Runtime == runtime {
			c.missing[i].Failed++
			return false
		}
	}
	c.missing = append(c.missing, Unnamed{Runtime: runtime, Failed: 1})
	return true
}
