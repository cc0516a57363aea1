package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Capture configures the internal events by which artifacts are captured; which of them are made is said by
// Config.Events.
type Capture struct {
	Write, Read CaptureFilter
	Interfaces  []string // whose packets are wanted; none: of all
	Snaplen     int      // bytes of a packet, from its IP header on; 0: all
}

// CaptureFilter says what the kernel side tells of files.
type CaptureFilter struct {
	Prefixes    []string // of paths, at most three of 50 bytes; none: any
	Types       uint8    // bits, see bpf: regular, pipe, socket, character device, block device; 0: any
	Descriptors uint8    // bits; 0: any
}

// captureFilter is struct capture_filter of events/capture.bpf.h.
type captureFilter struct {
	Prefixes, Types, Descriptors uint8
	Lengths                      [3]uint8
	Unused                       [2]uint8
	Prefix, Mask                 [3][captureBytes]byte
}

// captureBytes is CAPTURE_WORDS words; prefixMax of them are used.
const (
	captureBytes = 64
	prefixMax    = 50
)

func (f CaptureFilter) encode() captureFilter {
	c := captureFilter{Types: f.Types, Descriptors: f.Descriptors}
	for i, prefix := range f.Prefixes[:min(len(f.Prefixes), len(c.Prefix))] {
		c.Prefixes++
		n := copy(c.Prefix[i][:prefixMax], prefix)
		c.Lengths[i] = uint8(n)
		for j := range n {
			c.Mask[i][j] = 0xff
		}
	}
	return c
}

// CapturedFile is struct capture_key: a file, whatever its name.
type CapturedFile struct {
	Inode      uint64
	Device     uint32
	Generation uint32
}

const (
	copiedAtOnce = 4096
	interfaceMax = 64
)

// configure sets what the programs take for constants.
func (c *Capture) configure(spec *ebpf.CollectionSpec) error {
	if c == nil {
		return nil
	}
	if len(c.Interfaces) > interfaceMax {
		return fmt.Errorf("packets of %d interfaces are wanted: at most %d", len(c.Interfaces), interfaceMax)
	}
	spec.Maps["capture_copied"].MaxEntries = copiedAtOnce
	spec.Maps["capture_interfaces"].MaxEntries = interfaceMax
	constants := map[string]any{
		"capture_filters":        [2]captureFilter{c.Write.encode(), c.Read.encode()},
		"capture_all_interfaces": len(c.Interfaces) == 0,
	}
	if c.Snaplen > 0 {
		constants["capture_snaplen"] = uint32(c.Snaplen)
	}
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

// install fills the maps.
func (c *Capture) install(maps map[string]*ebpf.Map) error {
	if c == nil {
		return nil
	}
	for _, name := range c.Interfaces {
		var key [16]byte
		copy(key[:15], name)
		if err := maps["capture_interfaces"].Put(key, uint8(1)); err != nil {
			return fmt.Errorf("capture packets of interface %s: %w", name, err)
		}
	}
	return nil
}

// SetCopied tells the kernel side that nobody needs to hear of writes to a file, because it is copied as a whole; or that
// this is over.
func (t *Tracer) SetCopied(file CapturedFile, copied bool) error {
	m := t.maps["capture_copied"]
	if m == nil {
		return nil
	}
	if copied {
		return m.Put(file, uint8(1))
	}
	if err := m.Delete(file); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}
