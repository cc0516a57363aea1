package events

import "github.com/tracee-go/tracee/types/trace"

// LostEvents is how the tracer speaks about itself in the stream.
var LostEvents = declare(Event{
	ID: 800, Name: "lost_events",
	Args: []trace.Field{
		{Name: "event", Type: Str, Doc: "the event that was lost"},
		{Name: "lost", Type: U64, Doc: "how many since the last such record"},
		{Name: "reason", Type: Str, Doc: "ring_full: the reader was too slow; no_buffer: programs nested too deeply; program_missed: the kernel did not run the program"},
	},
	Doc: "Events were lost between the previous event in the stream and this one. Always in the stream; it passes every filter.",
})
