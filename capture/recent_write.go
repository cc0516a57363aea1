package capture

import (
	"errors"
	"fmt"
	"time"
)

// aftermath is how long after a finding packets still belong to it: the one at which it was found may come behind it, and so
// does the answer.
const aftermath = 250 * time.Millisecond

// aftermathMax is how many findings wait for that at a time.
const aftermathMax = 64

// awaited is the evidence of a finding that waits for the last packets.
type awaited struct {
	notice *notice
	due    time.Time
}

var errNothingRemembered = errors.New("packets were not remembered: nothing said before that it might ask for them")

// evidencePackets keeps the packets that are remembered of a process, in a moment.
func (k *keeper) evidencePackets(n *notice) {
	if k.capturer.recent.Load() == nil {
		k.missed(&n.context, n.asked("net"), errNothingRemembered)
		return
	}
	if len(k.awaited) == aftermathMax {
		k.keepPackets(k.awaited[0].notice)
		k.awaited = k.awaited[1:]
	}
	k.awaited = append(k.awaited, awaited{n, time.Now().Add(aftermath)})
}

// dueEvidence keeps the packets of findings whose time has come.
func (k *keeper) dueEvidence(ending bool) {
	now := time.Now()
	for len(k.awaited) > 0 && (ending || !now.Before(k.awaited[0].due)) {
		k.keepPackets(k.awaited[0].notice)
		k.awaited = k.awaited[1:]
	}
}

// keepPackets makes an artifact of the packets of a process.
func (k *keeper) keepPackets(n *notice) {
	packets := n.packets
	var last uint64
	if len(packets) > 0 {
		last = packets[len(packets)-1].sequence
	}
	var more []remembered
	seen := uint64(len(packets))
	if recent := k.capturer.recent.Load(); recent != nil { // or it was forgotten by a change, just now
		more, seen = recent.since(n.context.ProcessEntityID, last, time.Now())
	}
	packets = append(packets, more...)
	packets = packets[max(0, len(packets)-k.capturer.config.Quota.PacketsEach):]
	r := n.asked("net")
	r.Source = "packets"
	if len(packets) == 0 {
		r.Reason = "no packets of the process were seen lately"
		k.store.note(r)
		return
	}
	name := fmt.Sprintf("packets.%d.%s_%d.pcap", n.context.Timestamp, safeName(n.context.ProcessName), n.pid)
	a, err := k.store.create(r, name)
	if err != nil {
		k.warn(name, err)
		return
	}
	f := &pcapFile{artifact: a, interfaces: map[string]int{}}
	for _, p := range packets {
		k.warn(name, f.write(&p.frame))
	}
	if f.writer != nil {
		k.warn(name, f.writer.Flush())
	}
	note := ""
	if uint64(len(packets)) < seen {
		note = fmt.Sprintf("the last %d of %d packets", len(packets), seen)
	}
	r, err = a.finish(note)
	k.warn(name, err)
	k.told(&n.context, r)
}
