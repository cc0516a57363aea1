package trace

// EntityID is the identity of a thread or process for as long as the machine runs: a number that is used again belongs
// to a new one. It is made of the number in the initial pid namespace and the time of the start, in ns since boot
// (CLOCK_BOOTTIME); a process has those of its leader. That never changes, not even when another thread than the leader
// makes the exec.
//
// The id is
//
//	z = start + pid * 0x9e3779b97f4a7c15
//	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
//	z = (z ^ z>>27) * 0x94d049bb133111eb
//	z ^ z>>31
//
// in 64 bits, and 1 where that is 0. Each step can be undone, so the ids of one number differ for all times, and those of
// one time for all numbers. 0 stands for nobody: the idle task, whose number is 0, and a parent that the kernel is.
//
// The kernel side has the same function for those whom an event is not about but names; see bpf/lib/task.h.
func EntityID(pid uint32, start uint64) uint64 {
	if pid == 0 {
		return 0
	}
	z := start + uint64(pid)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return max(z^z>>31, 1)
}
