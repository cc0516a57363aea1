package tracer

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

// copiedRecord is what the kernel side sends when it copied to a file of ours.
func copiedRecord(t *testing.T, path string, moved int64) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	generation, err := unix.IoctlGetInt(int(file.Fd()), 0x80087601)
	if err != nil {
		generation = 0
	}
	place := copiedFile{Ctime: uint64(st.Ctim.Nano()), Magic: 1, Generation: uint32(generation), Descriptor: -1}
	body := make([]byte, 8*len(events.MagicWrite.Args))
	put := func(slot int, bytes []byte) {
		binary.LittleEndian.PutUint32(body[slot*8:], uint32(len(body)))
		binary.LittleEndian.PutUint32(body[slot*8+4:], uint32(len(bytes)))
		body = append(body, bytes...)
	}
	put(magicPath, []byte(path))
	put(magicSlot, unsafe.Slice((*byte)(unsafe.Pointer(&place)), magicBytes))
	binary.LittleEndian.PutUint64(body[magicDev*8:], uint64(library.KernelDevice(uint64(st.Dev))))
	binary.LittleEndian.PutUint64(body[magicInode*8:], st.Ino)
	return append(recordOf(bpf.TraceeEventHeader{
		Event: uint16(events.MagicWrite.Index), Flags: events.RecordCopied, Retval: moved, HostTid: uint32(os.Getpid()),
		Present: 1<<magicPath | 1<<magicDev | 1<<magicInode, Size: uint32(len(body)),
	}), body...)
}

// bytesOf decodes the bytes of a record, "" if there are none.
func bytesOf(t *testing.T, record []byte) (text string, whole bool) {
	t.Helper()
	var e trace.Event
	decode := newDecoder(false)
	if !decode.event(&e, headerOf(record), record[headerSize:]) {
		t.Fatal("not decoded")
	}
	a, ok := e.Lookup("bytes")
	if !ok {
		return "", false
	}
	if path, ok := e.Lookup("pathname"); !ok || path.Truncated() {
		t.Error("the path is not what it was")
	}
	return string(a.Raw()), !a.Truncated()
}

func copiedTestFile(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "dropped")
	if err := os.WriteFile(path, []byte("0123456789012345678901234567890123456789"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBytesThatTheKernelCopiedAreFoundInTheFile(t *testing.T) {
	path := copiedTestFile(t)
	for moved, want := range map[int64]string{40: "01234567890123456789012345678901", 3: "012"} {
		record := copiedRecord(t, path, moved)
		newCopies().fill(record)
		if got, whole := bytesOf(t, record); got != want || !whole {
			t.Errorf("%d bytes were copied: got %q, whole %v", moved, got, whole)
		}
	}
	record := copiedRecord(t, path, 4)
	time.Sleep(20 * time.Millisecond) // the kernel's clock for files is coarse
	if err := os.WriteFile(path, []byte("else"), 0o755); err != nil {
		t.Fatal(err)
	}
	newCopies().fill(record)
	if got, whole := bytesOf(t, record); got != "else" || whole {
		t.Errorf("it was changed: got %q, whole %v", got, whole)
	}
}

func TestAnEventGoesOnWithoutBytesThatCanNotBeHad(t *testing.T) {
	path := copiedTestFile(t)
	record := copiedRecord(t, path, 40)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c := newCopies()
	c.fill(record)
	if got, _ := bytesOf(t, record); got != "" || c.unreadable.Load() != 1 {
		t.Errorf("got %q, %d unreadable", got, c.unreadable.Load())
	}
}

func TestFileSystemsThatDoNotAnswerHoldUpNoOthers(t *testing.T) {
	path := copiedTestFile(t)
	record := copiedRecord(t, path, 40)
	c := newCopies()
	for range copiesAtOnce { // that hang
		if !c.begin(1) {
			t.Fatal("refused")
		}
	}
	began := time.Now()
	for range 100 {
		c.fill(record)
	}
	if took := time.Since(began); took > copyPatience || c.unreadable.Load() != 100 {
		t.Errorf("took %s, %d unreadable", took, c.unreadable.Load())
	}
	w, _ := copiedTo(headerOf(record), record[headerSize:], bytesAt(record[headerSize:], magicSlot))
	if found := c.read(w, 2, 4, nil); string(found.bytes) != "0123" {
		t.Errorf("another kind of file system: got %q", found.bytes)
	}
	c.end(1)
	c.fill(record)
	if got, _ := bytesOf(t, record); got == "" {
		t.Error("it answers again, and is not asked")
	}
}

func TestOtherRecordsAreLeftAlone(t *testing.T) {
	record := copiedRecord(t, copiedTestFile(t), 40)
	headerOf(record).Flags = 0
	before := string(record)
	newCopies().fill(record)
	if string(record) != before {
		t.Error("a record that refers to no file was changed")
	}
}
