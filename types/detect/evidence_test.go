package detect

import "testing"

func TestSignaturesAskForEvidenceByAProperty(t *testing.T) {
	for _, test := range []struct {
		property any
		want     Evidence
	}{
		{nil, 0},
		{"memory", EvidenceMemory},
		{"all", EvidenceAll},
		{[]string{"executable", "files"}, EvidenceExecutable | EvidenceFiles},
		{[]any{"executable", "memory", "nonsense", 7}, EvidenceExecutable | EvidenceMemory}, // as a rule in Rego has it
		{7, 0},
	} {
		m := SignatureMetadata{Properties: map[string]any{"Evidence": test.property}}
		if got := m.EvidenceAsked(); got != test.want {
			t.Errorf("%v: got %b, want %b", test.property, got, test.want)
		}
	}
}
