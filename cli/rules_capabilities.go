package cli

import (
	"fmt"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// dropCapabilities gives up all capabilities of the process, and of what it could execute where that is allowed.
func dropCapabilities() error {
	if canDropBound, err := cap.GetProc().GetFlag(cap.Effective, cap.SETPCAP); err != nil {
		return err
	} else if canDropBound {
		for c := range cap.MaxBits() {
			if err := cap.DropBound(c); err != nil {
				return fmt.Errorf("bounding set: %s: %w", c, err)
			}
		}
	}
	return cap.NewSet().SetProc()
}
