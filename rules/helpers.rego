# What rules written for Tracee v0.8 import as data.tracee.helpers.
#
# input.argument is the object of arguments by name. It is not part of the event's JSON: the engine adds it, so that
# finding an argument does not search a list.
package tracee.helpers

get_tracee_argument(name) = value {
	value := input.argument[name]
}

default is_file_write(flags) = false

is_file_write(flags) {
	contains(lower(flags), "o_wronly")
}

is_file_write(flags) {
	contains(lower(flags), "o_rdwr")
}

default is_file_read(flags) = false

is_file_read(flags) {
	contains(lower(flags), "o_rdonly")
}

is_file_read(flags) {
	contains(lower(flags), "o_rdwr")
}

is_elf_file(content) {
	lower(substring(base64.decode(content), 1, 3)) == "elf"
}
