package courier

import "encoding/binary"

const (
	blockSize  = 64 << 10
	headSize   = 4 // the length in front of a text, in a block as on disk
	maxText    = 16 << 20
	spareCount = 4 // blocks that are kept for later
)

// block is a piece of memory with texts, each after its length. Its memory never moves, so that texts can be looked at while
// others are added.
type block struct {
	bytes []byte
	texts int
}

// fifo keeps texts in order, in blocks that are used again: a steady flow allocates nothing.
type fifo struct {
	blocks []*block
	read   int // where the first text lies in the first block
	texts  int
	bytes  int64 // of the texts, with their lengths
	spare  []*block
}

func (f *fifo) empty() bool { return f.texts == 0 }

// add copies a text that is in two parts.
func (f *fifo) add(head, text []byte) {
	size := headSize + len(head) + len(text)
	var last *block
	if n := len(f.blocks); n > 0 {
		last = f.blocks[n-1]
	}
	if last == nil || len(last.bytes)+size > cap(last.bytes) {
		last = f.block(size)
		f.blocks = append(f.blocks, last)
	}
	last.bytes = binary.LittleEndian.AppendUint32(last.bytes, uint32(size-headSize))
	last.bytes = append(append(last.bytes, head...), text...)
	last.texts++
	f.texts++
	f.bytes += int64(size)
}

func (f *fifo) block(size int) *block {
	if size > blockSize {
		return &block{bytes: make([]byte, 0, size)}
	}
	if n := len(f.spare); n > 0 {
		b := f.spare[n-1]
		f.spare = f.spare[:n-1]
		return b
	}
	return &block{bytes: make([]byte, 0, blockSize)}
}

func (f *fifo) recycle(b *block) {
	if cap(b.bytes) == blockSize && len(f.spare) < spareCount {
		b.bytes, b.texts = b.bytes[:0], 0
		f.spare = append(f.spare, b)
	}
}

// peek appends the first texts to a list, at most so many texts and bytes, but one at least. They stay valid until dropped.
func (f *fifo) peek(to [][]byte, texts int, size int64) [][]byte {
	at := f.read
	for _, b := range f.blocks {
		for at < len(b.bytes) {
			text := b.bytes[at+headSize:][:binary.LittleEndian.Uint32(b.bytes[at:])]
			if size -= int64(len(text)); len(to) > 0 && (size < 0 || len(to) >= texts) {
				return to
			}
			to = append(to, text)
			at += headSize + len(text)
		}
		at = 0
	}
	return to
}

// drop forgets the first texts.
func (f *fifo) drop(texts int) {
	for ; texts > 0; texts-- {
		first := f.blocks[0]
		size := headSize + int(binary.LittleEndian.Uint32(first.bytes[f.read:]))
		f.read += size
		f.texts--
		f.bytes -= int64(size)
		if f.read < len(first.bytes) {
			continue
		}
		f.read = 0
		f.blocks[0] = nil
		if f.blocks = f.blocks[1:]; len(f.blocks) == 0 {
			f.blocks = nil
		}
		f.recycle(first)
	}
}

// take moves all blocks of a queue that was not read yet out of it.
func (f *fifo) take() (blocks []*block) {
	blocks = f.blocks
	f.blocks, f.texts, f.bytes = nil, 0, 0
	return blocks
}

// give takes blocks that another one gave away.
func (f *fifo) give(blocks []*block) {
	for _, b := range blocks {
		f.blocks = append(f.blocks, b)
		f.texts += b.texts
		f.bytes += int64(len(b.bytes))
	}
}
