package capture

import (
	"fmt"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/types/trace"
)

// LinkHeader is the length of the header that packets get, of Ethernet.
const LinkHeader = 14

const (
	snaplenMax  = 65535
	capturesMax = 512             // files that are open
	pcapQuiet   = 5 * time.Minute // after which a file of a process that is gone is closed
	pcapNote    = "tracee tc capture"
)

// packets writes packets to files, as v0.8 does: pcapng, with a link header of Ethernet. What the kernel side sees has no
// such header; the addresses in it are zero.
type packets struct {
	files   *lru.Cache[string, *pcapFile]
	closing []*pcapFile // pushed out
}

type pcapFile struct {
	context    trace.Event
	artifact   *artifact
	writer     *pcapgo.NgWriter
	interfaces map[string]int
	last       time.Time
	pid        int // of the process whose packets these are, if they are of one
	dirty      bool
}

func newPackets() *packets {
	p := &packets{}
	p.files, _ = lru.NewWithEvict(capturesMax, func(_ string, f *pcapFile) { p.closing = append(p.closing, f) })
	return p
}

// packet is what the kernel side says of one.
type packet struct {
	context trace.Event
	frame
}

// frame is what a file of packets has of one.
type frame struct {
	time   time.Time
	length int // in truth
	device string
	data   []byte // with the link header
}

// sent takes a packet. What is in the frame is the record's, and this stage's, until it is copied.
func (c *Capturer) sent(e *trace.Event) {
	data, ok := e.At(argPacketData)
	if !ok {
		return
	}
	f := frame{time: time.Unix(0, int64(e.Timestamp)), data: c.withHeader(data.Raw())}
	if length, ok := e.At(argPacketLength); ok {
		f.length = int(length.Uint()) + LinkHeader
	}
	if device, ok := e.At(argPacketDevice); ok {
		f.device = c.deviceName(device.Raw())
	}
	if recent := c.recent.Load(); recent != nil && e.ProcessEntityID != 0 {
		recent.add(e.ProcessEntityID, f, c.config.recentSnaplen(), time.Now())
	}
	if !c.config.fromInterface(f.device) || c.config.Packet != nil && !c.config.Packet(e) {
		return
	}
	if c.config.Snaplen > 0 && len(f.data) > c.config.Snaplen {
		f.data = f.data[:c.config.Snaplen]
	}
	f.data = slices.Clone(f.data)
	p := &packet{contextOf(e), f}
	c.keeper.do(func(k *keeper) { k.packet(p) })
}

// withHeader puts a link header before a packet, in memory that is used again for the next one.
func (c *Capturer) withHeader(data []byte) []byte {
	kind := layers.EthernetTypeIPv4
	if len(data) > 0 && data[0]>>4 == 6 {
		kind = layers.EthernetTypeIPv6
	}
	var header [LinkHeader]byte
	header[12], header[13] = byte(kind>>8), byte(kind)
	c.framed = append(append(c.framed[:0], header[:]...), data...)
	return c.framed
}

// devicesMax bounds the names of interfaces that are kept.
const devicesMax = 256

// deviceName makes a name of bytes, the same one each time.
func (c *Capturer) deviceName(name []byte) string {
	if known, ok := c.devices[string(name)]; ok {
		return known
	}
	if c.devices == nil || len(c.devices) >= devicesMax {
		c.devices = map[string]string{}
	}
	c.devices[string(name)] = string(name)
	return c.devices[string(name)]
}

// fromInterface says whether the packets of an interface are captured. The kernel side sends those of others, too, when
// they are remembered for evidence.
func (o *Options) fromInterface(name string) bool {
	return slices.Contains(o.Net, "any") || slices.Contains(o.Net, name)
}

// pcapName says which file packets go to. Where it tells files apart by a process, they are the same for its threads, whatever those
// are called, and have the name and the start of the one whose packet came first.
type pcapName struct {
	container, name string
	process         uint64 // its entity id
	pid             int
}

func (n pcapName) key() string {
	if n.process != 0 {
		return fmt.Sprintf("%s/%x", n.container, n.process)
	}
	return n.container + "/" + n.name
}

// packet writes a packet to the files that it belongs to.
func (k *keeper) packet(p *packet) {
	split := k.capturer.config.Split
	c := &p.context
	comm := safeName(c.ProcessName)
	ofProcess := fmt.Sprintf("%s_%d_%d.pcap", comm, c.HostProcessID, c.ThreadStartTime)
	for _, each := range []struct {
		wanted Split
		to     pcapName
	}{
		{PerHost, pcapName{name: "capture.pcap"}},
		{PerContainer, pcapName{container: c.ContainerID, name: "capture.pcap"}},
		{PerProcess, pcapName{c.ContainerID, ofProcess, c.ProcessEntityID, c.HostProcessID}},
		{PerCommand, pcapName{container: c.ContainerID, name: comm + ".pcap"}},
	} {
		if split&each.wanted == 0 {
			continue
		}
		if f := k.packets.open(k, c, each.to); f != nil {
			f.pid = each.to.pid
			k.warn(each.to.name, f.write(&p.frame))
		}
	}
}

func (p *packets) open(k *keeper, context *trace.Event, to pcapName) *pcapFile {
	key := to.key()
	if f, ok := p.files.Get(key); ok {
		return f
	}
	r := Record{Kind: "net", ContainerID: to.container}
	if to.name != "capture.pcap" {
		r = recordOf(context, "net")
	}
	r.Source = "packets"
	a, err := k.store.createLive(r, to.name)
	if err != nil {
		k.warn(to.name, err)
		return nil
	}
	f := &pcapFile{context: *context, artifact: a, interfaces: map[string]int{}}
	p.files.Add(key, f)
	p.closePushed(k)
	return f
}

// Write is for the writer of pcapng; what a quota cuts is recorded with the artifact.
func (f *pcapFile) Write(b []byte) (int, error) {
	if f.artifact.reason == "" { // a block that is cut makes the rest unreadable
		f.artifact.append(b)
	}
	return len(b), nil
}

func (f *pcapFile) write(p *frame) (err error) {
	id, known := f.interfaces[p.device]
	if !known {
		if id, err = f.add(p.device); err != nil {
			return err
		}
		f.interfaces[p.device] = id
	}
	f.last, f.dirty = time.Now(), true
	return f.writer.WritePacket(gopacket.CaptureInfo{
		Timestamp: p.time, CaptureLength: len(p.data), Length: max(p.length, len(p.data)), InterfaceIndex: id,
	}, p.data)
}

// add tells of an interface, by a block of its own.
func (f *pcapFile) add(name string) (id int, err error) {
	device := pcapgo.NgInterface{
		Name: name, Comment: pcapNote, Description: "addresses of the link are not seen: zero", Filter: "", OS: "linux",
		LinkType: layers.LinkTypeEthernet, SnapLength: snaplenMax, TimestampResolution: 9,
	}
	if f.writer != nil {
		return f.writer.AddInterface(device)
	}
	f.writer, err = pcapgo.NewNgWriterInterface(f, device, pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Application: "tracee", Comment: pcapNote, OS: "linux"},
	})
	return 0, err
}

// due brings what was written to the disk, and closes files to which nothing more will come.
func (p *packets) due(k *keeper, ending bool) {
	for _, key := range p.files.Keys() {
		f, _ := p.files.Peek(key)
		if f.dirty {
			f.dirty = false
			k.warn(key, f.writer.Flush())
		}
		if ending || f.over() {
			p.files.Remove(key) // which calls back
		}
	}
	p.closePushed(k)
}

// over says that the process is gone whose packets these are.
func (f *pcapFile) over() bool {
	if f.pid == 0 || time.Since(f.last) < time.Second {
		return false
	}
	return !processLives(f.pid) || time.Since(f.last) > pcapQuiet
}

func (p *packets) closePushed(k *keeper) {
	for _, f := range p.closing {
		if f.writer != nil {
			k.warn(f.artifact.record.Artifact, f.writer.Flush())
		}
		r, err := f.artifact.finish("")
		k.warn("net", err)
		k.told(&f.context, r)
	}
	p.closing = nil
}
