// Package kmem reads the memory of the kernel, for those who check it.
//
// Start from Open. A Reader is a BPF program that copies what it is asked for, run by reading from an iterator: of the
// ways to run a program at will that is the one which every kernel since 5.8 has, and which lockdown=integrity allows.
// Reads that fail are told one by one; nothing that is not mapped is touched. A question costs some microseconds, and Max
// of them are asked at once. A Reader is for one goroutine. It changes nothing in the kernel.
package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// Bounds of one batch of questions.
const (
	Max  = 64   // questions
	Size = 1024 // bytes that one can ask for
)

// ErrUnreadable is the error of an address at which nothing is mapped.
var ErrUnreadable = errors.New("kernel memory is not readable")

// A Reader reads kernel memory. Close it to free its program.
type Reader struct {
	questions *ebpf.Map
	program   *ebpf.Program
	iterator  *link.Iter
	values    []byte // of the map, one after the other
}

// A value of the map: address, length, outcome, bytes. Address 0 asks for that of the reading task.
const (
	addressAt = 0
	lengthAt  = 8
	outcomeAt = 12
	bytesAt   = 16
	valueSize = bytesAt + Size
)

// unasked marks values that the program has not looked at.
const unasked = 1

// Open loads the program. The cache is of the kernel's types.
func Open(cache *btf.Cache) (*Reader, error) {
	r := &Reader{values: make([]byte, Max*valueSize)}
	if err := r.open(cache); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to read kernel memory: %w", err), r.Close())
	}
	return r, nil
}

func (r *Reader) open(cache *btf.Cache) (err error) {
	r.questions, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "kmem_questions", Type: ebpf.Array, KeySize: 4, ValueSize: valueSize, MaxEntries: Max,
	})
	if err != nil {
		return err
	}
	const name = "kmem_read"
	programs, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{name: {
		Name: name, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "bpf_map",
		Instructions: instructions(r.questions.FD()), License: "GPL",
	}}}, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return err
	}
	r.program = programs.DetachProgram(name)
	r.iterator, err = link.AttachIter(link.IterOptions{Program: r.program})
	return err
}

// instructions answer all questions up to one of length 0. The kernel calls them for every map that there is, which is
// at least the one of the questions; only the first time counts.
func instructions(questions int) asm.Instructions {
	const sequence = 16 // in struct bpf_iter_meta, which the first argument points to: the number of the call
	return asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R6, asm.R6, sequence, asm.DWord),
		asm.JNE.Imm(asm.R6, 0, "end"),
		asm.Mov.Imm(asm.R7, 0),
		asm.StoreMem(asm.RFP, -4, asm.R7, asm.Word).WithSymbol("question"),
		asm.LoadMapPtr(asm.R1, questions),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.LoadMem(asm.R2, asm.R6, lengthAt, asm.Word),
		asm.JEq.Imm(asm.R2, 0, "end"),
		asm.JGT.Imm(asm.R2, Size, "end"),
		asm.LoadMem(asm.R3, asm.R6, addressAt, asm.DWord),
		asm.JNE.Imm(asm.R3, 0, "read"),
		asm.FnGetCurrentTask.Call(),
		asm.StoreMem(asm.R6, bytesAt, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0),
		asm.Ja.Label("outcome"),
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("read"),
		asm.Add.Imm(asm.R1, bytesAt),
		asm.FnProbeReadKernel.Call(),
		asm.StoreMem(asm.R6, outcomeAt, asm.R0, asm.Word).WithSymbol("outcome"),
		asm.Add.Imm(asm.R7, 1),
		asm.JLT.Imm(asm.R7, Max, "question"),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}
}

// Close frees the program and its map.
func (r *Reader) Close() error {
	var errs []error
	if r.iterator != nil {
		errs = append(errs, r.iterator.Close())
	}
	if r.program != nil {
		errs = append(errs, r.program.Close())
	}
	if r.questions != nil {
		errs = append(errs, r.questions.Close())
	}
	r.iterator, r.program, r.questions = nil, nil, nil
	return errors.Join(errs...)
}

// ask puts questions and has them answered: the values of the first count places are then the answers.
func (r *Reader) ask(count int, question func(i int) (address uint64, length int)) error {
	for i := range count {
		value := r.value(i)
		address, length := question(i)
		binary.NativeEndian.PutUint64(value[addressAt:], address)
		binary.NativeEndian.PutUint32(value[lengthAt:], uint32(length))
		binary.NativeEndian.PutUint32(value[outcomeAt:], unasked)
		if err := r.questions.Put(uint32(i), value); err != nil {
			return fmt.Errorf("ask for kernel memory: %w", err)
		}
	}
	if count < Max {
		if err := r.questions.Put(uint32(count), make([]byte, valueSize)); err != nil { // the end
			return fmt.Errorf("ask for kernel memory: %w", err)
		}
	}
	if err := r.run(); err != nil {
		return fmt.Errorf("read kernel memory: %w", err)
	}
	for i := range count {
		if err := r.questions.Lookup(uint32(i), r.value(i)); err != nil {
			return fmt.Errorf("read kernel memory: %w", err)
		}
		if binary.NativeEndian.Uint32(r.value(i)[outcomeAt:]) == unasked {
			return errors.New("read kernel memory: the program did not run")
		}
	}
	return nil
}

// run has the kernel call the program.
func (r *Reader) run() error {
	file, err := r.iterator.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, file)
	return errors.Join(err, file.Close())
}

func (r *Reader) value(i int) []byte { return r.values[i*valueSize : (i+1)*valueSize] }

// answer returns what was read, nil if it could not be.
func (r *Reader) answer(i int) []byte {
	value := r.value(i)
	if binary.NativeEndian.Uint32(value[outcomeAt:]) != 0 {
		return nil
	}
	length := binary.NativeEndian.Uint32(value[lengthAt:])
	return value[bytesAt : bytesAt+length]
}

// Task returns the address of the task_struct of the calling thread, which is that of the process's files too.
func (r *Reader) Task() (uint64, error) {
	if err := r.ask(1, func(int) (uint64, int) { return 0, 8 }); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(r.value(0)[bytesAt:]), nil
}

// Each reads the same number of bytes, Size at most, at each address. It calls each in the order of the addresses, with
// nil for those that could not be read; the bytes are valid during the call.
func (r *Reader) Each(addresses []uint64, length int, each func(i int, memory []byte)) error {
	for first := 0; first < len(addresses); first += Max {
		batch := addresses[first:min(first+Max, len(addresses))]
		// Address 0 has another meaning to the program, and is never mapped.
		err := r.ask(len(batch), func(i int) (uint64, int) { return max(batch[i], 1), min(length, Size) })
		if err != nil {
			return err
		}
		for i := range batch {
			each(first+i, r.answer(i))
		}
	}
	return nil
}

// Read fills memory with the bytes from an address on.
func (r *Reader) Read(address uint64, memory []byte) error {
	var parts []uint64
	for at := 0; at < len(memory); at += Size {
		parts = append(parts, address+uint64(at))
	}
	last := len(memory) - (len(parts)-1)*Size
	whole := true
	take := func(first, length int) func(int, []byte) {
		return func(i int, read []byte) {
			whole = whole && read != nil
			copy(memory[(first+i)*Size:], read[:min(length, len(read))])
		}
	}
	err := r.Each(parts[:len(parts)-1], Size, take(0, Size))
	if err == nil {
		err = r.Each(parts[len(parts)-1:], last, take(len(parts)-1, last))
	}
	if err == nil && !whole {
		err = fmt.Errorf("%#x: %w", address, ErrUnreadable)
	}
	return err
}

// Word reads a pointer, or another number of eight bytes.
func (r *Reader) Word(address uint64) (uint64, error) {
	var word [8]byte
	err := r.Read(address, word[:])
	return binary.NativeEndian.Uint64(word[:]), err
}

// Words reads many of them; 0 stands for those that could not be read.
func (r *Reader) Words(addresses []uint64) ([]uint64, error) {
	words := make([]uint64, len(addresses))
	err := r.Each(addresses, 8, func(i int, memory []byte) {
		if memory != nil {
			words[i] = binary.NativeEndian.Uint64(memory)
		}
	})
	return words, err
}

// Text reads a text that ends with a NUL, or after the given number of bytes.
func (r *Reader) Text(address uint64, length int) (string, error) {
	// It may lie at the end of what is mapped, so it is not read across a boundary of pages before it is known to go on.
	for _, n := range []int{int(min(uint64(length), pageSize-address%pageSize)), length} {
		memory := make([]byte, n)
		if err := r.Read(address, memory); err != nil {
			return "", err
		}
		if text, _, ended := bytes.Cut(memory, []byte{0}); ended || n == length {
			return string(text), nil
		}
	}
	return "", nil
}

const pageSize = 4096 // or a multiple of it
