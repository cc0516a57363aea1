package tracer

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
)

// The word in front of a record: its length and two bits (include/uapi/linux/bpf.h).
const (
	ringBusy    = 1 << 31 // not written yet
	ringDiscard = 1 << 30
	ringWord    = 8
)

const headerSize = int(unsafe.Sizeof(bpf.TraceeEventHeader{}))

// ring reads a BPF ring buffer. The library's reader takes a lock, a deadline and an atomic write for each record, which
// together cost more than the record; here many records share the one thing that has to be atomic, the consumer's
// position, and a record can be looked at before it is taken. The library also maps the data twice in a row, so that no
// record is split, and all of that counts as resident memory; here the few that are split are put together.
type ring struct {
	consumer []byte // page with our position, as the kernel sees it
	producer []byte // page with the kernel's position, and behind it the data
	data     []byte

	position  uint64                // of the next record
	published uint64                // what the kernel knows of position
	end       uint64                // the kernel's position when it was last asked for
	length    uint64                // of the record at position, 0 if it was not looked at
	waiting   atomic.Uint64         // the most that was there to be read at once; Stats may ask meanwhile
	split     bpf.TraceeEventHeader // the header of a record that goes over the end of data
}

func openRing(m *ebpf.Map) (*ring, error) {
	page, size := os.Getpagesize(), int(m.MaxEntries())
	r := &ring{}
	var err error
	if r.consumer, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map position: %w", err)
	}
	if r.producer, err = unix.Mmap(m.FD(), int64(page), page+size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(fmt.Errorf("map data: %w", err), r.close())
	}
	r.data = r.producer[page:]
	return r, nil
}

func (r *ring) close() error {
	var errs []error
	for _, pages := range [][]byte{r.consumer, r.producer} {
		if pages != nil {
			errs = append(errs, unix.Munmap(pages))
		}
	}
	*r = ring{}
	return errors.Join(errs...)
}

// look reports whether there is a record. When it says no, there was none at that moment.
func (r *ring) look() bool {
	for r.length == 0 {
		if r.position == r.end {
			r.publish()
			r.end = atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
			if r.position == r.end {
				return false
			}
			if n := r.end - r.position; n > r.waiting.Load() {
				r.waiting.Store(n)
			}
		}
		word := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[r.offset(0)])))
		if word&ringBusy != 0 {
			return false
		}
		length := uint64(word &^ ringDiscard)
		if word&ringDiscard != 0 || length < uint64(headerSize) {
			r.advance(length)
			continue
		}
		r.length = length
	}
	return true
}

// offset says where in data something lies that is so far behind the position.
func (r *ring) offset(behind uint64) uint64 { return (r.position + behind) & uint64(len(r.data)-1) }

// header views the header of the record that was looked at.
func (r *ring) header() *bpf.TraceeEventHeader {
	at := r.offset(ringWord)
	if at+uint64(headerSize) <= uint64(len(r.data)) {
		return (*bpf.TraceeEventHeader)(unsafe.Pointer(&r.data[at]))
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&r.split)), headerSize)
	copy(bytes[copy(bytes, r.data[at:]):], r.data)
	return &r.split
}

// take moves the record that was looked at into a buffer.
func (r *ring) take(buffer []byte) []byte {
	at := r.offset(ringWord)
	end := min(at+r.length, uint64(len(r.data)))
	buffer = append(buffer[:0], r.data[at:end]...)
	buffer = append(buffer, r.data[:r.length-(end-at)]...)
	r.advance(r.length)
	r.length = 0
	return buffer
}

func (r *ring) advance(length uint64) {
	r.position += (ringWord + length + 7) &^ 7
	if r.position-r.published > uint64(len(r.data))/32 {
		r.publish()
	}
}

// publish gives the space of what was taken back to the kernel.
func (r *ring) publish() {
	if r.position != r.published {
		atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.consumer[0])), r.position)
		r.published = r.position
	}
}
