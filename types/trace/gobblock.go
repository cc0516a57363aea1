package trace

import (
	"fmt"
	"io"
	"slices"
)

const (
	gobBlockSize = 64 << 10
	emptyReads   = 100 // in a row, after which a source is given up
)

// gobBlock reads a source by blocks and gives out its messages where they lie in one.
type gobBlock struct {
	source  io.Reader
	block   []byte
	at, end int  // what was read of the source and not given out yet
	held    bool // somebody refers to the block: it must not be written over
	large   []byte
	failed  error // of the source, behind end
}

// fill makes n bytes ready, which is at most a block.
func (b *gobBlock) fill(n int) error {
	if b.at+n > len(b.block) {
		rest := b.block[b.at:b.end]
		if b.held || b.block == nil {
			b.block, b.held = make([]byte, gobBlockSize), false
		}
		b.at, b.end = 0, copy(b.block, rest)
	}
	for tries := 0; b.end-b.at < n; tries++ {
		if b.failed != nil {
			return b.failed
		}
		if tries == emptyReads {
			return io.ErrNoProgress
		}
		var read int
		read, b.failed = b.source.Read(b.block[b.end:])
		if b.end += read; read > 0 {
			tries = 0
		}
	}
	return nil
}

// length reads the length of the next message. io.EOF means that the source ended in front of it.
func (b *gobBlock) length() (int, error) {
	if err := b.fill(1); err != nil {
		return 0, err
	}
	size := uint64(b.block[b.at])
	b.at++
	if size > 0x7f {
		n := -int(int8(size))
		if n > 8 {
			return 0, errGobLength
		}
		if err := b.fill(n); err != nil {
			return 0, cut(err)
		}
		size = 0
		for _, next := range b.block[b.at : b.at+n] {
			size = size<<8 | uint64(next)
		}
		b.at += n
	}
	if size > maxRecord {
		return 0, fmt.Errorf("%w: %d bytes", errGobLength, size)
	}
	return int(size), nil
}

// message reads the next message. Its bytes are valid until the next one is read.
func (b *gobBlock) message() ([]byte, error) {
	b.held = false
	if whole := b.ready(); whole != nil {
		return whole, nil
	}
	size, err := b.length()
	if err != nil {
		return nil, err
	}
	if size > gobBlockSize {
		b.large, err = b.append(emptied(b.large), size)
		return b.large, err
	}
	if err := b.fill(size); err != nil {
		return nil, cut(err)
	}
	b.at += size
	return b.block[b.at-size : b.at : b.at], nil
}

// ready gives out the next message if the block has all of it, and it has a length of one or two bytes.
func (b *gobBlock) ready() []byte {
	ahead := b.block[b.at:b.end]
	if len(ahead) < 3 {
		return nil
	}
	begin, size := 1, int(ahead[0])
	switch ahead[0] {
	case 0xff:
		begin, size = 2, int(ahead[1])
	case 0xfe:
		begin, size = 3, int(ahead[1])<<8|int(ahead[2])
	default:
		if size > 0x7f {
			return nil
		}
	}
	if begin+size > len(ahead) {
		return nil
	}
	b.at += begin + size
	return ahead[begin : begin+size : begin+size]
}

// more reads the message behind another one, and appends it. What refers to that one may go on to do so.
func (b *gobBlock) more(message []byte) ([]byte, error) {
	b.held = true
	size, err := b.length()
	if err != nil {
		return message, cut(err)
	}
	return b.append(message, size)
}

// append takes memory as bytes arrive, so that a wrong length costs nothing.
func (b *gobBlock) append(to []byte, size int) ([]byte, error) {
	for size > 0 {
		n := min(size, gobBlockSize)
		if err := b.fill(n); err != nil {
			return to, cut(err)
		}
		to = append(slices.Grow(to, n), b.block[b.at:b.at+n]...)
		b.at += n
		size -= n
	}
	return to, nil
}
