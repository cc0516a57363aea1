package capture

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Quota bounds what is captured. Zero means no bound.
type Quota struct {
	Artifact  int64 // bytes of one artifact; what is longer is cut, and recorded as such
	Container int64 // bytes of all artifacts of one container, or of the host
	Total     int64 // bytes of all
	Age       time.Duration
	// Refuse says that what does not fit is refused; otherwise the oldest artifacts give way to it.
	Refuse bool

	// Packets that are remembered, should a finding ask for them: bytes of all, packets of one process, and for how long.
	Packets     int64
	PacketsEach int
	PacketsAge  time.Duration
}

// DefaultQuota is generous, but a machine is not filled up by default.
var DefaultQuota = Quota{
	Artifact: 4 << 30, Total: 16 << 30, Packets: 16 << 20, PacketsEach: 256, PacketsAge: 5 * time.Minute,
}

func (q *Quota) set(value string) (err error) {
	name, amount, _ := strings.Cut(value, "=")
	switch name {
	case "artifact":
		q.Artifact, err = parseSize(amount)
	case "container":
		q.Container, err = parseSize(amount)
	case "total":
		q.Total, err = parseSize(amount)
	case "age":
		q.Age, err = parseAge(amount)
	case "packets":
		q.Packets, err = parseSize(amount)
	case "packets-each":
		if q.PacketsEach, err = strconv.Atoi(amount); err != nil || q.PacketsEach < 1 || q.PacketsEach > packetsEachMax {
			err = fmt.Errorf("packets-each takes a number of packets, 1 to %d", packetsEachMax)
		}
	case "packets-age":
		q.PacketsAge, err = parseAge(amount)
	case "full":
		q.Refuse = amount == "refuse"
		if amount != "refuse" && amount != "evict" {
			err = fmt.Errorf("full= takes evict or refuse")
		}
	default:
		err = fmt.Errorf("there is no quota %q: artifact, container, total, age, full, packets, packets-each, packets-age", name)
	}
	if err != nil {
		return invalid(err.Error())
	}
	return nil
}

// packetsEachMax is how many packets of a process can be asked for.
const packetsEachMax = 1 << 16

func parseAge(text string) (time.Duration, error) {
	age, err := time.ParseDuration(text)
	if err != nil || age < 0 {
		return 0, fmt.Errorf("%q is no duration such as 90m or 24h", text)
	}
	return age, nil
}

var sizeUnits = []struct {
	suffix string
	shift  int
}{{"kb", 10}, {"k", 10}, {"mb", 20}, {"m", 20}, {"gb", 30}, {"g", 30}, {"tb", 40}, {"t", 40}, {"b", 0}}

// parseSize reads a number of bytes: 4096, 96b, 16M, 2gb.
func parseSize(text string) (int64, error) {
	digits, shift := strings.ToLower(text), 0
	for _, unit := range sizeUnits {
		if rest, ok := strings.CutSuffix(digits, unit.suffix); ok {
			digits, shift = rest, unit.shift
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is no size such as 4096, 16M or 2G", text)
	}
	return n << shift, nil
}
