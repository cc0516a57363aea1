package derive

import (
	"net/netip"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Connections of TCP, with the names of their ends.
var (
	_ = derived(events.NetTCPConnect, connect)
	_ = derived(events.NetFlowTCPBegin, func(s *settings) maker { return s.flow(true) })
	_ = derived(events.NetFlowTCPEnd, func(s *settings) maker { return s.flow(false) })
)

func connect(s *settings) maker {
	return func(source *trace.Event, emit emitter) error {
		if source.EventID == events.NetPacketBase.ID {
			return s.names.learn(source)
		}
		dst, ok := source.Lookup("dst")
		port, known := source.Lookup("dst_port")
		if !ok || !known {
			return wrong(source, "dst or dst_port")
		}
		address, err := netip.ParseAddr(dst.Text())
		if err != nil {
			return err
		}
		emit(func(b *trace.Builder) {
			b.Text(0, dst.Text())
			b.Slot(1, port.Uint())
			b.Strings(2, s.names.of(address))
		})
		return nil
	}
}

// end is one of both ends of a connection.
type end struct {
	address netip.Addr
	port    uint64
}

func endOf(source *trace.Event, name string) (end, error) {
	address, ok := source.Lookup(name)
	port, known := source.Lookup(name + "_port")
	if !ok || !known {
		return end{}, wrong(source, name)
	}
	a, ok := netip.AddrFromSlice(address.Raw())
	if !ok {
		return end{}, wrong(source, name)
	}
	return end{a.Unmap(), port.Uint()}, nil
}

// flow makes the events of connections that begin, or that end.
func (s *settings) flow(begun bool) maker {
	return func(source *trace.Event, emit emitter) error {
		if source.EventID == events.NetPacketBase.ID {
			return s.names.learn(source)
		}
		if state, ok := source.Lookup("begun"); !ok || (state.Uint() != 0) != begun {
			return nil
		}
		src, err := endOf(source, "local")
		if err != nil {
			return err
		}
		dst, err := endOf(source, "remote")
		if err != nil {
			return err
		}
		direction := "outgoing"
		if outgoing, ok := source.Lookup("outgoing"); !ok || outgoing.Uint() == 0 {
			direction, src, dst = "incoming", dst, src
		}
		emit(func(b *trace.Builder) {
			b.Text(0, direction)
			b.Text(1, src.address.String())
			b.Text(2, dst.address.String())
			b.Slot(3, src.port)
			b.Slot(4, dst.port)
			b.Strings(5, s.names.of(src.address))
			b.Strings(6, s.names.of(dst.address))
		})
		return nil
	}
}
