package main

import "github.com/tracee-go/tracee/types/trace"

// plainEvent is an event as encoding/json would like it: everything decoded, with tags.
type plainEvent struct {
	Timestamp           int                `json:"timestamp"`
	ThreadStartTime     int                `json:"threadStartTime"`
	ProcessorID         int                `json:"processorId"`
	ProcessID           int                `json:"processId"`
	CgroupID            uint               `json:"cgroupId"`
	ThreadID            int                `json:"threadId"`
	ParentProcessID     int                `json:"parentProcessId"`
	HostProcessID       int                `json:"hostProcessId"`
	HostThreadID        int                `json:"hostThreadId"`
	HostParentProcessID int                `json:"hostParentProcessId"`
	UserID              int                `json:"userId"`
	MountNS             int                `json:"mountNamespace"`
	PIDNS               int                `json:"pidNamespace"`
	ProcessName         string             `json:"processName"`
	HostName            string             `json:"hostName"`
	ContainerID         string             `json:"containerId"`
	ContainerImage      string             `json:"containerImage"`
	ContainerName       string             `json:"containerName"`
	PodName             string             `json:"podName"`
	PodNamespace        string             `json:"podNamespace"`
	PodUID              string             `json:"podUID"`
	EventID             int                `json:"eventId,string"`
	EventName           string             `json:"eventName"`
	ArgsNum             int                `json:"argsNum"`
	ReturnValue         int                `json:"returnValue"`
	StackAddresses      []uint64           `json:"stackAddresses"`
	ContextFlags        trace.ContextFlags `json:"contextFlags"`
	Args                []trace.Argument   `json:"args"`
	ThreadEntityID      uint64             `json:"threadEntityId"`
	ProcessEntityID     uint64             `json:"processEntityId"`
	ParentEntityID      uint64             `json:"parentEntityId"`
}

func newPlainEvent(e *trace.Event) plainEvent {
	return plainEvent{
		Timestamp: e.Timestamp, ThreadStartTime: e.ThreadStartTime, ProcessorID: e.ProcessorID, ProcessID: e.ProcessID,
		CgroupID: e.CgroupID, ThreadID: e.ThreadID, ParentProcessID: e.ParentProcessID, HostProcessID: e.HostProcessID,
		HostThreadID: e.HostThreadID, HostParentProcessID: e.HostParentProcessID, UserID: e.UserID,
		MountNS: e.MountNS, PIDNS: e.PIDNS, ProcessName: e.ProcessName, HostName: e.HostName,
		EventID: e.EventID, EventName: e.EventName, ArgsNum: e.ArgsNum(), ReturnValue: e.ReturnValue,
		StackAddresses: e.StackAddresses, ContextFlags: e.ContextFlags, Args: e.Args(),
		ThreadEntityID: e.ThreadEntityID, ProcessEntityID: e.ProcessEntityID, ParentEntityID: e.ParentEntityID,
	}
}
