// Package lockdown tests what happens on a kernel that is locked down. That can not be undone until the machine is booted
// again, so the test runs in a guest only, and the runner of test/kernels gives it the last turn there.
package lockdown
