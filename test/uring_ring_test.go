package test

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of include/uapi/linux/io_uring.h.
const (
	ringSQPoll = 1 << 1 // IORING_SETUP_SQPOLL

	enterGetEvents = 1
	enterWakeUp    = 2
	needWakeUp     = 1

	requestFixedFile = 1 << 0 // IOSQE_*
	requestAsync     = 1 << 4
	requestSilent    = 1 << 6

	featureSilence  = 1 << 11 // IORING_FEAT_CQE_SKIP
	featureLateFile = 1 << 12 // IORING_FEAT_LINKED_FILE: a request holds its descriptor until it is done

	registerFiles = 2

	opNop       = 0
	opReadv     = 1
	opWritev    = 2
	opAccept    = 13
	opConnect   = 16
	opOpenat    = 18
	opRead      = 22
	opWrite     = 23
	opSend      = 26
	opSplice    = 30
	opOpenat2   = 28
	opRenameat  = 35
	opUnlinkat  = 36
	opMkdirat   = 37
	opSymlinkat = 38
	opSocket    = 45
	opFtruncate = 55
	opBind      = 56
	opListen    = 57
)

// request is a struct io_uring_sqe.
type request struct {
	operation, flags uint8
	priority         uint16
	fd               int32
	offset           uint64 // or a second address
	address          uint64
	length           uint32
	options          uint32
	userData         uint64
	buffer, identity uint16
	place            uint32 // among the files of the ring, counted from one
	_                [2]uint64
}

// ring is a small io_uring, used by one request at a time.
type ring struct {
	a        *actor
	fd       int
	features uint32
	polled   bool

	submissions, answers         unsafe.Pointer // what the kernel shares
	requests                     unsafe.Pointer
	tail, mask, array, state     uint32 // places in submissions
	head, answerTail, answerMask uint32 // places in answers
	list                         uint32
}

// newRing makes a ring of four requests, or skips where there is none.
func (a *actor) newRing(flags uint32) *ring {
	var parameters [120]byte // struct io_uring_params
	binary.NativeEndian.PutUint32(parameters[8:], flags)
	fd := raw(unix.SYS_IO_URING_SETUP, 4, keep(&parameters))
	if fd < 0 {
		a.skip("io_uring_setup: " + unix.Errno(-fd).Error())
	}
	at := func(place int) uint32 { return binary.NativeEndian.Uint32(parameters[place:]) }
	r := &ring{
		a: a, fd: fd, features: at(20), polled: flags&ringSQPoll != 0,
		tail: at(44), mask: at(48), state: at(56), array: at(64),
		head: at(80), answerTail: at(84), answerMask: at(88), list: at(100),
	}
	const all, answersAt, requestsAt = 4096, 0x8000000, 0x10000000
	r.submissions, r.answers, r.requests = a.shared(fd, 0, all), a.shared(fd, answersAt, all), a.shared(fd, requestsAt, all)
	return r
}

// shared maps memory of a ring.
func (a *actor) shared(fd int, offset, size uintptr) unsafe.Pointer {
	address := a.must(unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE,
		uintptr(fd), offset)
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}

func word(base unsafe.Pointer, place uint32) *uint32 { return (*uint32)(unsafe.Add(base, place)) }

// put makes a request visible to the kernel.
func (r *ring) put(q request) {
	tail := atomic.LoadUint32(word(r.submissions, r.tail))
	i := tail & *word(r.submissions, r.mask)
	*(*request)(unsafe.Add(r.requests, uintptr(i)*unsafe.Sizeof(q))) = q
	*word(r.submissions, r.array+4*i) = i
	atomic.StoreUint32(word(r.submissions, r.tail), tail+1)
}

// enter submits what was put and waits for so many answers.
func (r *ring) enter(requests, answers uintptr) {
	flags := uintptr(enterGetEvents)
	if r.polled && atomic.LoadUint32(word(r.submissions, r.state))&needWakeUp != 0 {
		flags |= enterWakeUp
	}
	r.a.must(unix.SYS_IO_URING_ENTER, uintptr(r.fd), requests, answers, flags, 0, 0)
}

// answer takes the next answer.
func (r *ring) answer() int {
	head := *word(r.answers, r.head)
	for atomic.LoadUint32(word(r.answers, r.answerTail)) == head {
		r.enter(0, 1)
	}
	at := unsafe.Add(r.answers, r.list+16*(head&*word(r.answers, r.answerMask)))
	result := *(*int32)(unsafe.Add(at, 8))
	atomic.StoreUint32(word(r.answers, r.head), head+1)
	return int(result)
}

// do has one request done and returns the answer. A silent one is followed by one that does nothing.
func (r *ring) do(q request) int {
	r.put(q)
	if q.flags&requestSilent != 0 {
		r.put(request{})
		r.enter(2, 1)
	} else {
		r.enter(1, 1)
	}
	return r.answer()
}
