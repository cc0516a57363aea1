package trace

import "bytes"

// JSONWriter writes events as AppendJSON does, in two thirds of the time where threads do one thing after the other: what is said of a
// thread in each of its events it remembers as text. The zero value is ready to use; not by several goroutines at once.
type JSONWriter struct{ threads [threadsWritten]writtenThread }

// threadsWritten is how many threads are remembered, a kilobyte each; a power of two.
const threadsWritten = 64

// writtenThread is a thread that did something.
type writtenThread struct {
	last            int   // the last thread that was not remembered here
	context         Event // what it was then, and more
	thread, process []byte
	replaced        bool // some of the text says less than the bytes that it is of
}

// AppendJSON appends what e.AppendJSON does.
func (w *JSONWriter) AppendJSON(b []byte, e *Event) []byte {
	t := &w.threads[e.HostThreadID&(threadsWritten-1)]
	if !e.sameContext(&t.context) || t.thread == nil {
		if t.last != e.HostThreadID { // perhaps it does nothing else
			t.last = e.HostThreadID
			return e.AppendJSON(b)
		}
		t.remember(e)
	}
	b = append(e.appendTime(b), t.thread...)
	itself := len(b)
	b, saysLess := e.appendItself(b)
	b = e.appendWay(append(b, t.process...))
	return e.appendEnd(b, saysLess || t.replaced || bytes.Contains(b[itself:], replaced))
}

func (t *writtenThread) remember(e *Event) {
	threadPart.take(&t.context, e)
	processPart.take(&t.context, e)
	t.thread = e.appendThread(t.thread[:0])
	t.process = e.appendProcess(t.process[:0])
	t.replaced = bytes.Contains(t.thread, replaced) || bytes.Contains(t.process, replaced)
}

// sameContext compares what appendThread and appendProcess look at: first what differs most often.
func (e *Event) sameContext(o *Event) bool {
	return e.HostThreadID == o.HostThreadID && e.ProcessorID == o.ProcessorID && e.ThreadStartTime == o.ThreadStartTime &&
		e.ProcessID == o.ProcessID && e.CgroupID == o.CgroupID && e.ThreadID == o.ThreadID &&
		e.ParentProcessID == o.ParentProcessID && e.HostProcessID == o.HostProcessID &&
		e.HostParentProcessID == o.HostParentProcessID && e.UserID == o.UserID && e.MountNS == o.MountNS && e.PIDNS == o.PIDNS &&
		e.ThreadEntityID == o.ThreadEntityID && e.ProcessEntityID == o.ProcessEntityID && e.ParentEntityID == o.ParentEntityID &&
		e.ProcessName == o.ProcessName && e.HostName == o.HostName && e.sameContainer(o) && e.Executable == o.Executable
}

func (e *Event) sameContainer(o *Event) bool {
	return e.ContainerID == o.ContainerID && e.ContainerImage == o.ContainerImage && e.ContainerName == o.ContainerName &&
		e.PodName == o.PodName && e.PodNamespace == o.PodNamespace && e.PodUID == o.PodUID &&
		e.ContainerImageDigest == o.ContainerImageDigest && e.ContainerRuntime == o.ContainerRuntime
}
