package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-11",
	aliases:    []string{"TRC-1014"},
	name:       "Container Device Mount Detected",
	doc:        "Container device filesystem mount detected. A container that mounts a disk of the machine has its files, too",
	severity:   high,
	technique:  technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	tags:       containers,
	response:   "Stop the container. Look on the machine for files that were changed through the mount, and take the privileges from the container.",
	benign:     "Storage drivers of Kubernetes (CSI), which run privileged to do just this.",
	origin:     trace.OriginContainer,
	events:     []string{"security_sb_mount"},
	needs:      []detect.Need{need("security_sb_mount", like("dev_name", "/dev/*"))},
	newMatcher: observing(mountsDevice),
})

// mountsDevice leaves out what runc mounts for the container from within, before its program starts.
func mountsDevice(e *trace.Event) (map[string]any, bool) {
	device := text(e, "dev_name")
	runc := strings.HasPrefix(e.ProcessName, "runc:") && e.ThreadID == 1
	if !strings.HasPrefix(device, "/dev/") || runc {
		return nil, false
	}
	return map[string]any{"mounted device": strings.Clone(device)}, true
}

var _ = declare(description{
	id:        "TRC-14",
	aliases:   []string{"TRC-1010"},
	name:      "CGroups Release Agent File Modification",
	doc:       "An Attempt to modify CGroups release agent file was detected. The kernel runs what stands there as root of the machine",
	severity:  high,
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the container and look on the machine for what the kernel started (TRC-2612). Containers need no CAP_SYS_ADMIN.",
	benign:    "None known in containers.",
	origin:    trace.OriginContainer,
	events:    []string{"security_file_open", "security_inode_rename"},
	needs: []detect.Need{
		need("security_file_open", like("pathname", "*/release_agent")), need("security_inode_rename", like("new_path", "*/release_agent")),
	},
	newMatcher: observing(setsReleaseAgent),
})

func setsReleaseAgent(e *trace.Event) (map[string]any, bool) {
	if e.EventName == "security_inode_rename" {
		path := text(e, "new_path")
		return map[string]any{"File Path": strings.Clone(path)}, strings.HasSuffix(path, "/release_agent")
	}
	path, flags := text(e, "pathname"), text(e, "flags")
	if !strings.HasSuffix(path, "/release_agent") || !opensForWriting(flags) {
		return nil, false
	}
	return map[string]any{"File Flags": strings.Clone(flags), "File Path": strings.Clone(path)}, true
}
