package tracee.more

trusted(path) {
	startswith(path, "/trusted/")
}
