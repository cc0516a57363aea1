package derive

import (
	"net/netip"
	"slices"

	"github.com/gopacket/gopacket/layers"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tracee-go/tracee/types/trace"
)

// What is remembered of the names of addresses.
const (
	maxNamed = 1 << 14 // addresses
	maxNames = 8       // of an address
)

// names knows what addresses were called in answers of DNS.
type names struct {
	packets *packets
	known   *simplelru.LRU[netip.Addr, []string]
	source  *trace.Event // of the last packet: it may be shown by several makers
}

func newNames(p *packets) *names {
	known, err := simplelru.NewLRU[netip.Addr, []string](maxNamed, nil)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &names{packets: p, known: known}
}

// learn takes note of the answers in a packet.
func (n *names) learn(source *trace.Event) error {
	if n.source == source {
		return nil
	}
	n.source = source
	p, err := n.packets.of(source)
	if err != nil {
		return err
	}
	m := p.message()
	if m == nil || !m.QR || p.srcPort != portDNS {
		return nil
	}
	for i := range m.Answers {
		r := &m.Answers[i]
		if r.Type != layers.DNSTypeA && r.Type != layers.DNSTypeAAAA {
			continue
		}
		address, ok := netip.AddrFromSlice(r.IP)
		if !ok {
			continue
		}
		n.add(address.Unmap(), string(r.Name))
		for j := range m.Questions { // what was asked for leads there by aliases
			n.add(address.Unmap(), string(m.Questions[j].Name))
		}
	}
	return nil
}

// add puts a name before the others of its address.
func (n *names) add(address netip.Addr, name string) {
	if name == "" {
		return
	}
	known, _ := n.known.Get(address)
	list := append([]string{name}, slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == name })...)
	n.known.Add(address, list[:min(len(list), maxNames)])
}

// of returns the names of an address, the last one that was given first.
func (n *names) of(address netip.Addr) []string {
	known, _ := n.known.Get(address.Unmap())
	return known
}
