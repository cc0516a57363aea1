package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-8",
	aliases:    []string{"TRC-108"},
	name:       "K8S Service Account Token Use Detected",
	doc:        "The Kubernetes service account token file was read on your container. With it, a program can ask the API server for what the pod may do",
	severity:   info,
	technique:  technique{"Credential Access", "Credentials from Password Stores", "T1555", ""},
	tags:       containers,
	response:   "See whether the program has reason to talk to the API server. Pods that have none need no token: automountServiceAccountToken: false.",
	benign:     "Every program in a pod that uses the API server reads it; therefore this is information only.",
	origin:     trace.OriginContainer,
	events:     []string{"security_file_open"},
	needs:      []detect.Need{need("security_file_open", like("pathname", "*secrets/kubernetes.io/serviceaccount*token"))},
	newMatcher: stateless(readsToken),
})

// tokenReaders are the parts of Kubernetes itself.
var tokenReaders = named("flanneld kube-proxy etcd kube-apiserver coredns kube-controller kube-controller-manager kubectl")

func readsToken(e *trace.Event) bool {
	path := text(e, "pathname")
	return strings.HasSuffix(path, "token") && strings.Contains(path, "secrets/kubernetes.io/serviceaccount") &&
		opensForReading(text(e, "flags")) && !isProgram(e, tokenReaders) && e.Executable != "/coredns"
}

var _ = declare(description{
	id:        "TRC-10",
	aliases:   []string{"TRC-1018"},
	name:      "K8S TLS Certificate Theft Detected",
	doc:       "Kubernetes TLS certificate theft was detected. Who has these files can speak to the cluster as one of its parts",
	severity:  high,
	technique: technique{"Credential Access", "Steal Application Access Token", "T1528", ""},
	tags:      linuxAndContainer,
	response:  "Replace the certificates of the control plane, and look in the API server's audit log for who used them.",
	benign:    "kubeadm and backup programs, when certificates are renewed or saved.",
	events:    []string{"security_file_open", "security_inode_rename"},
	needs: []detect.Need{
		need("security_file_open", like("pathname", "*"+certificates+"*")), need("security_inode_rename", like("old_path", "*"+certificates+"*")),
	},
	newMatcher: stateless(takesCertificate),
})

// certificates are those of the control plane, below any root.
const certificates = "/etc/kubernetes/pki/"

// certificateReaders are the parts of Kubernetes that use them.
var certificateReaders = named("kube-apiserver kubelet kube-controller kube-controller-manager etcd")

func takesCertificate(e *trace.Event) bool {
	if e.EventName == "security_inode_rename" {
		return strings.Contains(text(e, "old_path"), certificates) && !isProgram(e, certificateReaders)
	}
	return strings.Contains(text(e, "pathname"), certificates) && opensForReading(text(e, "flags")) && !isProgram(e, certificateReaders)
}

// isProgram reports whether the process of an event runs one of these programs from a directory of the system, or, where
// its program is not known, has the name of one.
func isProgram(e *trace.Event, of programs) bool {
	if e.Executable != "" {
		return of.path(e.Executable)
	}
	return of[e.ProcessName]
}

var _ = declare(description{
	id:         "TRC-13",
	aliases:    []string{"TRC-1013"},
	name:       "Kubernetes API server connection detected",
	doc:        "A connection to the kubernetes API server was detected. A container that has no business there may be looking around in the cluster",
	severity:   low,
	technique:  technique{"Discovery", "Cloud Service Discovery", "T1526", ""},
	tags:       containers,
	response:   "See in the API server's audit log what was asked for with the token of this pod.",
	benign:     "Operators, controllers and all other programs that work with the API server.",
	origin:     trace.OriginContainer,
	events:     []string{"execve", "sched_process_exec", "security_socket_connect"},
	newMatcher: func(*surroundings) matcher { return &apiServers{newMemory[string, string](containersRemembered)} },
})

// containersRemembered bounds the containers whose API server is remembered.
const containersRemembered = 1 << 12

// apiServers knows where the API server is for each container: the programs that start there are told by their
// environment, which is in execve (what was asked for) and in sched_process_exec (what was started).
type apiServers struct {
	*memory[string, string] // id of a container → address
}

func (s *apiServers) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "execve":
		s.learn(e, "envp")
	case "sched_process_exec":
		s.learn(e, "env")
	default:
		return s.connected(e)
	}
	return nil, false
}

func (s *apiServers) learn(e *trace.Event, argument string) {
	environment := raw(e, argument)
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		if address, ok := strings.CutPrefix(variable, "KUBERNETES_SERVICE_HOST="); ok {
			s.set(e.ContainerID, strings.TrimSpace(address))
			return
		}
	}
}

func (s *apiServers) connected(e *trace.Event) (map[string]any, bool) {
	a, ok := e.Lookup("remote_addr")
	if !ok || a.Type().Kind != trace.Sockaddr {
		return nil, false
	}
	to := a.Sockaddr().IP
	server, known := s.get(e.ContainerID)
	if !known || !to.IsValid() || to.Addr().Unmap().String() != server {
		return nil, false
	}
	return map[string]any{"ip": server}, true
}
