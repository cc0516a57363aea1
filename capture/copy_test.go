package capture

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// holding runs a process that has files of these sizes open.
func holding(t *testing.T, sizes map[string]int64) detect.Finding {
	t.Helper()
	command := exec.Command("sleep", "1000")
	dir := t.TempDir()
	for name, size := range sizes {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		command.ExtraFiles = append(command.ExtraFiles, f)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	f := findingOf(command.Process.Pid, detect.Process{})
	f.Event.Payload.(*trace.Event).ThreadStartTime = 0
	return f
}

// capturingIn begins to capture, within quotas.
func capturingIn(t *testing.T, dir string, quota Quota) *Capturer {
	t.Helper()
	c, err := New(Config{Options: Options{Dir: dir, Evidence: true, Quota: quota}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nameOf is what a file is called that somebody has open.
func nameOf(r Record) string { return filepath.Base(r.Pathname) }

func recordOfLarge(last map[string]Record) Record {
	for _, r := range last {
		if nameOf(r) == "large" {
			return r
		}
	}
	return Record{}
}

// TestALargeFileOfAFindingDelaysNobody looks what is done when the keeper turns to the next thing it was asked for.
func TestALargeFileOfAFindingDelaysNobody(t *testing.T) {
	dir := t.TempDir()
	c := capturingIn(t, dir, DefaultQuota)
	f := holding(t, map[string]int64{"large": 64 << 20, "small": 2 << 20, "tiny": 10})
	c.Evidence(f, detect.EvidenceFiles)
	next := make(chan []string)
	c.keeper.do(func(k *keeper) {
		var copied []string
		for _, each := range k.copies {
			copied = append(copied, nameOf(each.artifact.record))
		}
		next <- copied
	})
	copied := <-next
	if slices.Sort(copied); !slices.Equal(copied, []string{"large", "small"}) {
		t.Errorf("when the next job began, these were being copied: %q", copied)
	}
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	agree(t, dir)
	var order []string
	_, all := lines(t, dir)
	for _, r := range all {
		if r.State == Captured {
			order = append(order, nameOf(r))
			if !r.Complete || r.SHA256 == "" {
				t.Errorf("not whole: %+v", r)
			}
		}
	}
	if want := []string{"tiny", "small", "large"}; !slices.Equal(order, want) {
		t.Errorf("finished in the order %q, want %q", order, want)
	}
}

func TestALargeFileOfAFindingIsCutByTheQuota(t *testing.T) {
	dir := t.TempDir()
	quota := DefaultQuota
	quota.Artifact = 3 << 20
	c := capturingIn(t, dir, quota)
	c.Evidence(holding(t, map[string]int64{"large": 1 << 40}), detect.EvidenceFiles)
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if r := recordOfLarge(agree(t, dir)); r.Complete || r.Size != quota.Artifact || r.Reason == endedEarly {
		t.Errorf("got %+v", r)
	}
}

// slow is a file that never ends, and takes its time.
type slow struct{}

func (slow) ReadAt(p []byte, _ int64) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return len(p), nil
}

func TestEvidenceThatTakesLongIsGivenUpInTheEnd(t *testing.T) {
	dir := t.TempDir()
	c := capturingIn(t, dir, DefaultQuota)
	c.keeper.do(func(k *keeper) {
		a, err := k.store.create(Record{Kind: "open", Finding: "TRC-2"}, "open.endless")
		if err != nil {
			t.Error(err)
			return
		}
		k.copy(&copying{artifact: a, from: slow{}, evidence: true, done: func(k *keeper) {
			k.finishEvidence(&notice{}, a, "")
		}})
	})
	stats, err := c.Close()
	if err != nil || stats.Incomplete != 1 { // which the manifest tells, too
		t.Errorf("%+v, %v", stats, err)
	}
	for _, r := range agree(t, dir) {
		if r.State != Captured || r.Complete || r.Reason != endedEarly || r.Size == 0 {
			t.Errorf("got %+v", r)
		}
	}
}

func TestCopiesOfFindingsAreBounded(t *testing.T) {
	dir := t.TempDir()
	c := capturingIn(t, dir, DefaultQuota)
	f := holding(t, map[string]int64{"large": 1 << 20})
	c.keeper.do(func(k *keeper) { k.evidenceCopied = evidenceCopies })
	c.Evidence(f, detect.EvidenceFiles)
	c.keeper.do(func(k *keeper) { k.evidenceCopied -= evidenceCopies })
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, all := lines(t, dir)
	i := slices.IndexFunc(all, func(r Record) bool { return nameOf(r) == "large" })
	if i < 0 || all[i].State != Missed {
		t.Errorf("got %+v, want it to be missed", all)
	}
}
