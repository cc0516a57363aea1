package tracee

import (
	"errors"
	"iter"
	"os"
	"strconv"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/derive"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// startCapture opens the directory of artifacts, if any are wanted.
func (r *run) startCapture() (err error) {
	if !r.Capture.Enabled() {
		return nil
	}
	if err := r.checkPackets(r.Events); err != nil {
		return err
	}
	c := capture.Config{Options: r.Capture, Log: r.Log}
	if r.choosesPackets() {
		r.packets = derive.NewCaptured(r.Events, r.Filter)
		c.Packet = r.packets.Wants
	}
	r.capturer, err = capture.New(c)
	if err == nil && r.Capturing != nil {
		r.Capturing(r.capturer)
	}
	return err
}

// choosesPackets says that of the packets only those are captured that events tell of.
func (r *run) choosesPackets() bool { return r.Capture.Filtered && len(r.Capture.Net) > 0 }

// checkPackets refuses a selection that tells of no packet, if events are to say which packets are captured.
func (r *run) checkPackets(selection []*events.Event) error {
	if r.choosesPackets() && len(derive.OfPackets(selection)) == 0 {
		return errors.New("pcap-options:filtered captures the packets that events tell of, and no event about packets " +
			"is traced (hint: --trace event=net_packet_dns)")
	}
	return nil
}

// captureConfig is what the kernel side has to know.
func (r *run) captureConfig(artifacts capture.Options) *tracer.Capture {
	if r.capturer == nil {
		return nil
	}
	c := &tracer.Capture{Write: captureFilter(artifacts.Write), Read: captureFilter(artifacts.Read)}
	for _, name := range artifacts.Net {
		if name == "any" {
			c.Interfaces = nil
			break
		}
		c.Interfaces = append(c.Interfaces, name)
	}
	if artifacts.Remembers() { // of whatever interface
		c.Interfaces = nil
	}
	if n := artifacts.PacketBytes(); n > 0 {
		c.Snaplen = n - capture.LinkHeader
	}
	return c
}

func captureFilter(f *capture.Files) tracer.CaptureFilter {
	if f == nil {
		return tracer.CaptureFilter{}
	}
	types := f.Types
	if types&capture.ELF != 0 { // contents are looked at later
		types = types&^capture.ELF | capture.Regular
	}
	return tracer.CaptureFilter{Prefixes: f.Prefixes, Types: uint8(types), Descriptors: f.Descriptors}
}

// captured is the stage that takes artifacts.
func (r *run) captured(source iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
	if r.capturer == nil {
		return source
	}
	return r.capturer.Stage(source)
}

// captureReady is called when everything is attached.
func (r *run) captureReady(t *tracer.Tracer) {
	pid := strconv.Itoa(os.Getpid())
	if r.capturer == nil {
		if r.Capture.Dir != "" {
			if err := capture.MarkReady(r.Capture.Dir, pid); err != nil {
				r.Log.Info("nobody who waits for this file learns that tracee is ready", "error", err)
			}
		}
		return
	}
	r.setCopied(t)
	r.capturer.MarkReady(pid)
}

// setCopied lets the kernel side know what was copied.
func (r *run) setCopied(t *tracer.Tracer) {
	if r.capturer == nil {
		return
	}
	r.capturer.SetCopied(func(device uint32, inode uint64, generation uint32, copied bool) error {
		return t.SetCopied(tracer.CapturedFile{Inode: inode, Device: device, Generation: generation}, copied)
	})
}

// endCapture finishes what is left, and notes what became of artifacts.
func (r *run) endCapture() (err error) {
	if r.capturer != nil {
		r.summary.Capture, err = r.capturer.Close()
		r.capturer = nil
	}
	return err
}
